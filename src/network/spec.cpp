// SPDX-License-Identifier: Apache-2.0
#include "network/spec.h"

#include <algorithm>

#include <fmt/core.h>
#include <net/if.h>

#include "base/text.h"
#include "network/bridge.h"

namespace pila::network {

using os::net::Family;
using os::net::IpAddress;
using os::net::Prefix;

static Error invalid(std::string text) { return Error(Errc::Invalid, std::move(text)); }

Result<void> check_network_name(std::string_view name) {
    // Docker takes anything that is not blank; control characters would garble every listing.
    bool good = !trim(name).empty() && name.size() <= 255 && is_utf8(name);
    for (unsigned char c : name) good = good && c >= ' ' && c != 0x7f;
    if (good) return {};
    return invalid("invalid name: " + printable(name));
}

static Result<bool> parse_bool(std::string_view key, const std::string& value) {
    std::string text = to_lower(value);
    if (text == "true" || text == "1" || text == "t") return true;
    if (text == "false" || text == "0" || text == "f") return false;
    return invalid(fmt::format("failed to parse {} value: \"{}\": invalid syntax", key, printable(value)));
}

static Result<void> check_bridge_name(const std::string& name) {
    bool good = !name.empty() && name.size() < IFNAMSIZ && name != "." && name != "..";
    for (unsigned char c : name) good = good && c > ' ' && c < 0x7f && c != '/' && c != ':';
    if (!good) return invalid("invalid bridge name: " + printable(name));
    return {};
}

Result<void> apply_options(NetworkState& state) {
    for (const auto& [key, value] : state.info.spec.options) {
        if (key == "com.docker.network.bridge.name") {
            TRY(check_bridge_name(value));
            state.bridge = value;
        } else if (key == "com.docker.network.driver.mtu") {
            auto mtu = parse_uint(value);
            if (!mtu || *mtu < 68 || *mtu > 65535) return invalid("invalid MTU: " + printable(value));
            state.mtu = static_cast<std::uint32_t>(*mtu);
        } else if (key == "com.docker.network.bridge.enable_icc") {
            state.inter_container = TRY(parse_bool(key, value));
        } else if (key == "com.docker.network.bridge.enable_ip_masquerade") {
            state.masquerade = TRY(parse_bool(key, value));
        } else if (key == "com.docker.network.bridge.host_binding_ipv4") {
            auto address = IpAddress::parse(value);
            if (!address || !address->is_v4()) return invalid("invalid host binding address: " + printable(value));
            state.host_binding = value == "0.0.0.0" ? "" : value;
        }
    }
    return {};
}

static Result<Prefix> parse_subnet(const std::string& text) {
    auto subnet = Prefix::parse(text);
    if (!subnet) return invalid("invalid CIDR address: " + printable(text));
    if (*subnet != subnet->masked())
        return invalid(fmt::format("invalid subnet {}: it should be {}", subnet->text(), subnet->masked().text()));
    if (subnet->length == 0) return invalid("invalid subnet " + subnet->text());
    return *subnet;
}

static Result<IpAddress> address_within(const Prefix& subnet, const std::string& text, std::string_view what) {
    auto address = IpAddress::parse(text);
    if (!address) return invalid(fmt::format("invalid {}: {}", what, printable(text)));
    if (!subnet.contains(*address)) return invalid(fmt::format("no matching subnet for {} {}", what, address->text()));
    return *address;
}

static Result<void> check_subnet(Subnet& entry, const std::vector<Prefix>& own) {
    auto subnet = TRY(parse_subnet(entry.subnet));
    for (const auto& other : own)
        if (other.overlaps(subnet)) return Error(Errc::Denied, "Pool overlaps with other one on this address space");
    if (!entry.ip_range.empty()) {
        auto range = Prefix::parse(entry.ip_range);
        if (!range) return invalid("invalid CIDR address: " + printable(entry.ip_range));
        if (!subnet.contains(*range)) return invalid("no matching subnet for range " + range->text());
    }
    if (!entry.gateway.empty()) entry.gateway = TRY(address_within(subnet, entry.gateway, "gateway")).text();
    for (auto& [name, address] : entry.auxiliary_addresses)
        address = TRY(address_within(subnet, address, "aux-address")).text();
    return {};
}

static void choose_gateway(Subnet& entry) {
    if (!entry.gateway.empty()) return;
    AddressPool pool(*Prefix::parse(entry.subnet), Prefix::parse(entry.ip_range));
    for (const auto& [name, address] : entry.auxiliary_addresses)
        ignore(pool.take(*IpAddress::parse(address)), "the same address under two names");
    auto gateway = pool.take();
    if (gateway) entry.gateway = gateway->text();
}

Result<void> complete_subnets(NetworkSpec& spec, const std::vector<Prefix>& own, const std::vector<Prefix>& host) {
    std::vector<Prefix> taken = own;
    bool have_v4 = false, have_v6 = false;
    for (auto& entry : spec.subnets) {
        if (entry.subnet.empty()) {
            if (!entry.gateway.empty() || !entry.ip_range.empty() || !entry.auxiliary_addresses.empty())
                return invalid("every ip-range or gateway must have a corresponding subnet");
            continue;
        }
        TRY(check_subnet(entry, taken));
        auto subnet = *Prefix::parse(entry.subnet);
        taken.push_back(subnet);
        (subnet.family() == Family::V4 ? have_v4 : have_v6) = true;
    }
    std::erase_if(spec.subnets, [](const Subnet& entry) { return entry.subnet.empty(); });
    if (have_v6 && !spec.enable_ipv6)
        std::erase_if(spec.subnets,
                      [](const Subnet& entry) { return Prefix::parse(entry.subnet)->family() == Family::V6; });
    std::vector<Prefix> avoided = taken;
    avoided.insert(avoided.end(), host.begin(), host.end());
    if (!have_v4) spec.subnets.insert(spec.subnets.begin(), {TRY(choose_subnet(avoided)).text(), "", "", {}});
    if (spec.enable_ipv6 && !have_v6) spec.subnets.push_back({choose_ula_subnet(avoided).text(), "", "", {}});
    for (auto& entry : spec.subnets) choose_gateway(entry);
    return {};
}

Result<std::vector<AddressPool>> make_pools(const NetworkSpec& spec) {
    std::vector<AddressPool> pools;
    for (const auto& entry : spec.subnets) {
        auto& pool = pools.emplace_back(TRY(parse_subnet(entry.subnet)), Prefix::parse(entry.ip_range));
        if (auto gateway = IpAddress::parse(entry.gateway)) TRY(pool.take(*gateway));
        for (const auto& [name, text] : entry.auxiliary_addresses)
            if (auto address = IpAddress::parse(text))
                TRY(pool.take(*address).in(fmt::format("failed to allocate secondary ip address ({}:{})", name, text)));
    }
    return pools;
}

std::vector<Prefix> subnets_of(const NetworkSpec& spec) {
    std::vector<Prefix> subnets;
    for (const auto& entry : spec.subnets)
        if (auto subnet = Prefix::parse(entry.subnet)) subnets.push_back(*subnet);
    return subnets;
}

BridgeRules NetworkState::rules() const { return {bridge, subnets_of(info.spec), info.spec.internal, masquerade}; }

AddressPool* NetworkState::pool(Family family) {
    for (auto& pool : pools)
        if (pool.subnet().family() == family) return &pool;
    return nullptr;
}

AddressPool* NetworkState::pool_with(const IpAddress& address) {
    for (auto& pool : pools)
        if (pool.subnet().contains(address)) return &pool;
    return nullptr;
}

std::optional<IpAddress> NetworkState::gateway(Family family) const {
    for (const auto& entry : info.spec.subnets) {
        auto gateway = IpAddress::parse(entry.gateway);
        if (gateway && gateway->family() == family) return gateway;
    }
    return std::nullopt;
}

}  // namespace pila::network
