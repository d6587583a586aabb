// SPDX-License-Identifier: Apache-2.0
#include "cli/network_options.h"

#include <fmt/core.h>
#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "base/text.h"
#include "cli/container_options.h"
#include "cli/csv.h"
#include "cli/units.h"

namespace pila::cli {

namespace {

Error invalid(std::string message) { return Error(Errc::Invalid, std::move(message)); }

// "eth0"-like six or eight octets, colons or dashes.
bool is_mac_address(std::string_view text) {
    if (text.size() != 17) return false;
    char separator = text[2];
    if (separator != ':' && separator != '-') return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (i % 3 == 2 ? text[i] != separator : !std::isxdigit(static_cast<unsigned char>(text[i]))) return false;
    return true;
}

json::value list_or_null(const std::vector<std::string>& items) {
    if (items.empty()) return nullptr;
    json::array list;
    for (const auto& item : items) list.emplace_back(item);
    return list;
}

}  // namespace

Result<NetworkAttachment> parse_network(std::string_view text) {
    NetworkAttachment network;
    if (text.find('=') == std::string_view::npos) {
        network.target = text;
        return network;
    }
    for (const auto& field : TRY(split_csv(text))) {
        auto equals = field.find('=');
        if (equals == std::string::npos) return invalid(fmt::format("invalid field {}", field));
        auto key = to_lower(trim(std::string_view(field).substr(0, equals)));
        auto value = std::string(trim(std::string_view(field).substr(equals + 1)));
        if (key == "name")
            network.target = value;
        else if (key == "alias")
            network.aliases.push_back(value);
        else if (key == "ip")
            network.ip = value;
        else if (key == "ip6")
            network.ip6 = value;
        else if (key == "mac-address")
            network.mac_address = value;
        else if (key == "link-local-ip")
            network.link_local_ips.push_back(value);
        else if (key == "driver-opt") {
            auto at = value.find('=');
            if (at == std::string::npos) return invalid("invalid key value pair format in driver options");
            network.driver_options.emplace_back(trim(to_lower(value.substr(0, at))), value.substr(at + 1));
        } else if (key == "gw-priority") {
            auto priority = parse_int(value);
            if (!priority) return invalid(fmt::format("invalid gw-priority ({}): invalid syntax", value));
            network.gateway_priority = *priority;
        } else {
            return invalid(fmt::format("invalid field key {}", key));
        }
    }
    if (network.target.empty()) return invalid("network name/id is not specified");
    return network;
}

bool is_user_defined_network(std::string_view name) {
    return !name.empty() && name != "default" && name != "bridge" && name != "host" && name != "none" &&
           !name.starts_with("container:");
}

json::object endpoint_settings(const NetworkAttachment& network) {
    json::object address;
    if (!network.ip.empty()) address["IPv4Address"] = network.ip;
    if (!network.ip6.empty()) address["IPv6Address"] = network.ip6;
    if (!network.link_local_ips.empty()) address["LinkLocalIPs"] = list_or_null(network.link_local_ips);
    json::object driver_options;
    for (const auto& [key, value] : network.driver_options) driver_options[key] = value;
    json::object settings;
    settings["IPAMConfig"] = address.empty() ? json::value(nullptr) : json::value(std::move(address));
    settings["Links"] = list_or_null(network.links);
    settings["Aliases"] = list_or_null(network.aliases);
    settings["MacAddress"] = network.mac_address;
    settings["DriverOpts"] = driver_options.empty() ? json::value(nullptr) : json::value(std::move(driver_options));
    settings["GwPriority"] = network.gateway_priority;
    settings["NetworkID"] = "";
    settings["EndpointID"] = "";
    settings["Gateway"] = "";
    settings["IPAddress"] = "";
    settings["IPPrefixLen"] = 0;
    settings["IPv6Gateway"] = "";
    settings["GlobalIPv6Address"] = "";
    settings["GlobalIPv6PrefixLen"] = 0;
    settings["DNSNames"] = nullptr;
    return settings;
}

namespace {

// The older flags (--network-alias, --ip, --link, ...) speak of the first network.
Result<void> apply_to_first(NetworkAttachment& first, const ContainerOptions& options) {
    auto conflict = [](std::string_view flag, std::string_view what) {
        return invalid(fmt::format("conflicting options: cannot specify both {} and per-network {}", flag, what));
    };
    if (!first.aliases.empty() && !options.network_aliases.empty()) return conflict("--network-alias", "alias");
    if (!first.links.empty() && !options.links.empty()) return conflict("--link", "links");
    if (!first.ip.empty() && !options.ip.empty()) return conflict("--ip", "IPv4 address");
    if (!first.ip6.empty() && !options.ip6.empty()) return conflict("--ip6", "IPv6 address");
    if (!first.mac_address.empty() && !options.mac_address.empty()) return conflict("--mac-address", "MAC address");
    if (!first.link_local_ips.empty() && !options.link_local_ips.empty())
        return conflict("--link-local-ip", "link-local IP addresses");
    if (!options.network_aliases.empty()) first.aliases = options.network_aliases;
    if (is_user_defined_network(first.target) && !options.links.empty()) first.links = options.links;
    if (!options.ip.empty()) first.ip = options.ip;
    if (!options.ip6.empty()) first.ip6 = options.ip6;
    if (!options.mac_address.empty()) first.mac_address = options.mac_address;
    if (!options.link_local_ips.empty()) first.link_local_ips = options.link_local_ips;
    return {};
}

bool is_plain(const NetworkAttachment& network) {
    return network.aliases.empty() && network.link_local_ips.empty() && network.links.empty() &&
           network.driver_options.empty() && network.ip.empty() && network.ip6.empty() && network.mac_address.empty() &&
           network.gateway_priority == 0;
}

}  // namespace

Result<Networking> networking_of(const ContainerOptions& options) {
    Networking networking;
    auto networks = options.networks;
    bool given = !networks.empty();
    if (!given) networks.push_back({.target = "default"});
    networking.mode = networks[0].target;
    bool user_defined = false, other = false;
    for (auto& network : networks) {
        bool first = &network == &networks.front();
        if (trim(network.target).empty()) return invalid("no name set for network");
        if (first) TRY(apply_to_first(network, options));
        if (!network.mac_address.empty() && !is_mac_address(network.mac_address))
            return invalid(fmt::format("{} is not a valid mac address", network.mac_address));
        bool own = is_user_defined_network(network.target);
        (own ? user_defined : other) = true;
        if (user_defined && other)
            return invalid("conflicting options: cannot attach both user-defined and non-user-defined network-modes");
        if (!own && !network.aliases.empty())
            return invalid("network-scoped aliases are only supported for user-defined networks");
        if (!own && !network.links.empty()) return invalid("links are only supported for user-defined networks");
        bool twice = std::any_of(networks.data(), &network, [&](auto& seen) { return seen.target == network.target; });
        if (twice) return invalid(fmt::format("network {} is specified multiple times", go_quote(network.target)));
        if (!given || own || !is_plain(network)) networking.endpoints.push_back(network);
    }
    return networking;
}

}  // namespace pila::cli
