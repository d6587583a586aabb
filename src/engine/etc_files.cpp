// SPDX-License-Identifier: Apache-2.0
#include "engine/etc_files.h"

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::engine {

static constexpr std::string_view hosts_head =
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::\tip6-localnet\n"
    "ff00::\tip6-mcastprefix\n"
    "ff02::1\tip6-allnodes\n"
    "ff02::2\tip6-allrouters\n";

std::string hosts_text(const ContainerSpec& spec, const std::vector<network::Endpoint>& endpoints,
                       const std::string& gateway) {
    std::string text(hosts_head);
    for (const auto& entry : spec.extra_hosts) {
        auto separator = entry.find_first_of(":=");
        if (separator == std::string::npos) continue;
        auto name = entry.substr(0, separator);
        auto address = entry.substr(separator + 1);
        if (address == "host-gateway") address = gateway;
        if (address.size() > 2 && address.front() == '[' && address.back() == ']')
            address = address.substr(1, address.size() - 2);
        if (!address.empty()) text += fmt::format("{}\t{}\n", address, name);
    }
    auto names = spec.hostname;
    if (auto dot = names.find('.'); dot != std::string::npos && dot != 0) names += " " + names.substr(0, dot);
    if (!spec.domainname.empty()) names = fmt::format("{0}.{1} {0}", spec.hostname, spec.domainname);
    for (const auto& endpoint : endpoints) {
        if (!endpoint.ipv4.empty()) text += fmt::format("{}\t{}\n", endpoint.ipv4, names);
        if (!endpoint.ipv6.empty()) text += fmt::format("{}\t{}\n", endpoint.ipv6, names);
    }
    return text;
}

std::string host_resolv_conf() {
    auto text = os::read_file("/etc/resolv.conf", 64U << 10).value_or("");
    if (text.find("nameserver 127.0.0.53") != std::string::npos)
        return os::read_file("/run/systemd/resolve/resolv.conf", 64U << 10).value_or(text);
    return text;
}

std::string resolv_conf_text(const ContainerSpec& spec, const std::string& host, bool embedded, bool keep_loopback) {
    std::vector<std::string> servers = spec.dns, search = spec.dns_search, options = spec.dns_options;
    for (auto line : split(host, '\n')) {
        line = trim(line);
        auto space = line.find_first_of(" \t");
        if (space == std::string_view::npos) continue;
        auto keyword = line.substr(0, space);
        auto rest = trim(line.substr(space));
        if (keyword == "nameserver" && spec.dns.empty()) {
            bool loopback = rest.starts_with("127.") || rest == "::1";
            if (!loopback || keep_loopback) servers.emplace_back(rest);
        } else if (keyword == "search" && spec.dns_search.empty()) {
            for (auto domain : split(rest, ' '))
                if (!domain.empty()) search.emplace_back(domain);
        } else if (keyword == "options" && spec.dns_options.empty()) {
            for (auto option : split(rest, ' '))
                if (!option.empty()) options.emplace_back(option);
        }
    }
    if (embedded)
        servers = {"127.0.0.11"};
    else if (servers.empty())
        servers = {"8.8.8.8", "8.8.4.4"};
    if (embedded && options.empty()) options = {"ndots:0"};
    std::string text;
    for (const auto& server : servers) text += "nameserver " + server + "\n";
    if (search.size() == 1 && search[0] == ".") search.clear();
    if (!search.empty()) text += "search " + join(search, " ") + "\n";
    if (!options.empty()) text += "options " + join(options, " ") + "\n";
    return text;
}

}  // namespace pila::engine
