// SPDX-License-Identifier: Apache-2.0
#include "cli/ports.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <cstdint>

#include "base/text.h"
#include "cli/units.h"

namespace pila::cli {

namespace {

struct Range {
    std::uint64_t first = 0, last = 0;
};

Error invalid(std::string message) { return Error(Errc::Invalid, std::move(message)); }

Result<std::uint64_t> port_number(std::string_view text) {
    auto value = TRY(parse_go_uint(text));
    if (value > 65535) return invalid(fmt::format("strconv.ParseUint: parsing {}: value out of range", go_quote(text)));
    return value;
}

Result<Range> parse_range(std::string_view text) {
    if (text.empty()) return invalid("empty string specified for ports");
    auto dash = text.find('-');
    Range range;
    range.first = TRY(port_number(text.substr(0, dash)));
    range.last = dash == std::string_view::npos ? range.first : TRY(port_number(text.substr(dash + 1)));
    if (range.last < range.first) return invalid(fmt::format("invalid range specified for port: {}", text));
    return range;
}

bool is_protocol(std::string_view text) { return text == "tcp" || text == "udp" || text == "sctp"; }

struct Parts {
    std::string ip, host, container;
};

Result<Parts> split_parts(std::string_view text) {
    auto last = text.rfind(':');
    if (last == std::string_view::npos) return Parts{"", "", std::string(text)};
    Parts parts;
    parts.container = text.substr(last + 1);
    auto rest = text.substr(0, last);
    auto before = rest.rfind(':');
    parts.host = before == std::string_view::npos ? rest : rest.substr(before + 1);
    if (before != std::string_view::npos) parts.ip = rest.substr(0, before);
    if (!parts.ip.empty() && parts.ip[0] == '[') {
        if (parts.ip.back() != ']') return invalid(fmt::format("invalid IP address: {}", parts.ip));
        parts.ip = parts.ip.substr(1, parts.ip.size() - 2);
    }
    return parts;
}

Result<std::string> short_form(std::string_view text) {
    std::string published, target, protocol = "tcp";
    for (auto field : split(text, ',')) {
        auto equals = field.find('=');
        if (equals == std::string_view::npos || equals == 0)
            return invalid(fmt::format("invalid publish opts format (should be name=value but got '{}')", field));
        auto key = field.substr(0, equals), value = field.substr(equals + 1);
        if (key == "published")
            published = value;
        else if (key == "target")
            target = value;
        else if (key == "protocol")
            protocol = value;
    }
    return fmt::format("{}:{}/{}", published, target, protocol);
}

}  // namespace

bool is_ip_address(std::string_view text) {
    std::string terminated(text);
    in6_addr buffer{};
    return ::inet_pton(AF_INET, terminated.c_str(), &buffer) == 1 ||
           ::inet_pton(AF_INET6, terminated.c_str(), &buffer) == 1;
}

Result<std::vector<PortBinding>> parse_publish(std::string_view text) {
    std::string expanded;
    if (text.find('=') != std::string_view::npos) {
        expanded = TRY(short_form(text));
        text = expanded;
    }
    auto slash = text.find('/');
    std::string protocol = slash == std::string_view::npos ? "tcp" : to_lower(text.substr(slash + 1));
    if (slash != std::string_view::npos && protocol.empty()) protocol = "tcp";
    auto parts = TRY(split_parts(text.substr(0, slash)));
    if (!parts.ip.empty() && !is_ip_address(parts.ip)) return invalid("invalid IP address: " + parts.ip);
    if (parts.container.empty()) return invalid(fmt::format("no port specified: {}<empty>", text));
    auto container = parse_range(parts.container);
    if (!container) return invalid("invalid containerPort: " + parts.container);
    Range host;
    if (!parts.host.empty()) {
        auto parsed = parse_range(parts.host);
        if (!parsed) return invalid("invalid hostPort: " + parts.host);
        host = *parsed;
        bool dynamic = container->first == container->last;
        if (!dynamic && container->last - container->first != host.last - host.first)
            return invalid(fmt::format("invalid ranges specified for container and host Ports: {} and {}",
                                       parts.container, parts.host));
    }
    if (!is_protocol(protocol)) return invalid("invalid proto: " + protocol);
    std::vector<PortBinding> bindings;
    for (auto port = container->first; port <= container->last; ++port) {
        PortBinding binding{fmt::format("{}/{}", port, protocol), parts.ip, ""};
        if (!parts.host.empty()) binding.host_port = std::to_string(host.first + (port - container->first));
        if (!parts.host.empty() && container->first == container->last && host.first != host.last)
            binding.host_port = fmt::format("{}-{}", host.first, host.last);
        bindings.push_back(std::move(binding));
    }
    return bindings;
}

Result<std::vector<std::string>> parse_expose(std::string_view text) {
    if (text.find(':') != std::string_view::npos)
        return invalid(fmt::format("invalid port format for --expose: {}", text));
    auto slash = text.find('/');
    std::string protocol(slash == std::string_view::npos ? "tcp" : text.substr(slash + 1));
    auto range = parse_range(text.substr(0, slash));
    if (!range)
        return invalid(fmt::format("invalid range format for --expose: {}, error: {}", text, range.error().message()));
    if (!is_protocol(to_lower(protocol))) return invalid("invalid proto: " + protocol);
    std::vector<std::string> ports;
    for (auto port = range->first; port <= range->last; ++port) ports.push_back(fmt::format("{}/{}", port, protocol));
    return ports;
}

}  // namespace pila::cli
