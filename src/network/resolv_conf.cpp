// SPDX-License-Identifier: Apache-2.0
#include "network/resolv_conf.h"

#include <algorithm>

#include <sys/stat.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::network {

static constexpr std::size_t max_servers = 3, max_file_bytes = 64U << 10;

std::vector<os::net::IpAddress> parse_nameservers(std::string_view text) {
    std::vector<os::net::IpAddress> servers;
    for (auto line : split(text, '\n')) {
        line = trim(line);
        if (!line.starts_with("nameserver")) continue;
        auto rest = line.substr(10);
        if (rest.empty() || (rest.front() != ' ' && rest.front() != '\t')) continue;
        rest = trim(rest);
        auto address = os::net::IpAddress::parse(rest.substr(0, rest.find_first_of(" \t#;")));
        if (address && servers.size() < max_servers) servers.push_back(*address);
    }
    return servers;
}

const std::vector<os::net::IpAddress>& HostResolvers::current() {
    auto now = std::chrono::steady_clock::now();
    if (changed_ >= 0 && now - looked_ < std::chrono::seconds(1)) return servers_;
    looked_ = now;
    struct stat status {};
    std::int64_t changed = 0;
    if (::stat("/etc/resolv.conf", &status) == 0)
        changed = status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec;
    if (changed == changed_) return servers_;
    changed_ = changed;
    servers_ = parse_nameservers(os::read_file("/etc/resolv.conf", max_file_bytes).value_or(""));
    static const auto stub = *os::net::IpAddress::parse("127.0.0.53");
    if (std::find(servers_.begin(), servers_.end(), stub) != servers_.end()) {
        auto behind = parse_nameservers(os::read_file("/run/systemd/resolve/resolv.conf", max_file_bytes).value_or(""));
        if (!behind.empty()) servers_ = std::move(behind);
    }
    return servers_;
}

}  // namespace pila::network
