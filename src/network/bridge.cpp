// SPDX-License-Identifier: Apache-2.0
#include "network/bridge.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "os/file.h"
#include "os/net/route.h"

namespace pila::network {

using os::net::Batch;
using os::net::Family;
using os::net::IpAddress;
using os::net::Link;
using os::net::Mac;
using os::net::NetlinkSocket;
using os::net::Prefix;

static constexpr std::uint32_t fallback_mtu = 1500;

static Mac mac_of_network(const std::string& id) {
    Mac mac{0x02, 0x42};
    for (std::size_t i = 2; i < mac.size(); ++i)
        mac[i] = static_cast<std::uint8_t>(parse_uint(std::string_view(id).substr(i * 2, 2), 16).value_or(i));
    return mac;
}

Mac mac_of_address(const IpAddress& ipv4) {
    const auto* bytes = ipv4.bytes();
    return {0x02, 0x42, bytes[0], bytes[1], bytes[2], bytes[3]};
}

static void write_sysctl(const std::string& path, std::string_view value) {
    auto written = os::write_file("/proc/sys/" + path, value);
    if (!written) log::warning("network: sysctl {}={}: {}", path, value, written.error().message());
}

static void set_sysctls(const BridgeSpec& spec) {
    // For published ports on 127.0.0.1; the firewall drops what containers could do with it.
    write_sysctl(fmt::format("net/ipv4/conf/{}/route_localnet", spec.name), "1");
    if (!os::net::have_ipv6()) return;
    write_sysctl(fmt::format("net/ipv6/conf/{}/accept_ra", spec.name), "0");
    write_sysctl(fmt::format("net/ipv6/conf/{}/disable_ipv6", spec.name), spec.ipv6 ? "0" : "1");
}

Result<int> ensure_bridge(NetlinkSocket& route, const BridgeSpec& spec) {
    auto existing = os::net::find_link(route, spec.name);
    if (!existing) {
        if (existing.error().code() != Errc::NotFound) return existing.take_error();
        Batch create;
        os::net::add_bridge(create, spec.name, mac_of_network(spec.network_id), spec.mtu);
        TRY(route.run(create));
        existing = TRY(os::net::find_link(route, spec.name));
    } else if (existing->kind != "bridge") {
        return Error(Errc::Conflict, fmt::format("link {} exists and is not a bridge", spec.name));
    }
    int index = existing->index;
    set_sysctls(spec);

    Batch batch;
    auto present = TRY(os::net::list_addresses(route));
    auto has = [&](const Prefix& wanted) {
        return std::any_of(present.begin(), present.end(),
                           [&](const auto& entry) { return entry.index == index && entry.prefix == wanted; });
    };
    for (const auto& entry : present) {
        bool wanted = std::find(spec.addresses.begin(), spec.addresses.end(), entry.prefix) != spec.addresses.end();
        bool link_local = !entry.prefix.address.is_v4() && entry.prefix.address.bytes()[0] == 0xfe;
        if (entry.index == index && !wanted && !link_local && !spec.adopted)
            os::net::delete_address(batch, index, entry.prefix);
    }
    for (const auto& address : spec.addresses)
        if (!has(address)) os::net::add_address(batch, index, address);
    if (!existing->up) os::net::set_link_up(batch, index, spec.name);
    TRY(route.run(batch).in("bridge " + spec.name));
    return index;
}

std::uint32_t outside_mtu(NetlinkSocket& route) {
    auto routes = os::net::list_routes(route);
    auto links = os::net::list_links(route);
    if (!routes || !links) return fallback_mtu;
    const os::net::RouteEntry* best = nullptr;
    for (const auto& entry : *routes)
        if (entry.destination.length == 0 && entry.destination.family() == Family::V4 && entry.link &&
            (!best || entry.metric < best->metric))
            best = &entry;
    for (const auto& link : *links)
        if (best && link.index == best->link && link.mtu) return std::min(link.mtu, 65535U);
    return fallback_mtu;
}

Result<std::vector<Prefix>> prefixes_in_use(NetlinkSocket& route, const std::string& but_not) {
    int skipped = -1;
    if (!but_not.empty()) {
        auto link = os::net::find_link(route, but_not);
        if (link) skipped = link->index;
    }
    std::vector<Prefix> taken;
    for (const auto& entry : TRY(os::net::list_routes(route)))
        if (entry.destination.length && entry.link != skipped) taken.push_back(entry.destination.masked());
    for (const auto& entry : TRY(os::net::list_addresses(route)))
        if (entry.index != skipped) taken.push_back(entry.prefix.masked());
    return taken;
}

static bool is_free(const Prefix& candidate, const std::vector<Prefix>& taken) {
    return std::none_of(taken.begin(), taken.end(), [&](const Prefix& other) { return other.overlaps(candidate); });
}

Result<Prefix> choose_subnet(const std::vector<Prefix>& taken) {
    for (unsigned second = 17; second <= 31; ++second) {
        auto candidate = *Prefix::parse(fmt::format("172.{}.0.0/16", second));
        if (is_free(candidate, taken)) return candidate;
    }
    for (unsigned third = 0; third < 256; third += 16) {
        auto candidate = *Prefix::parse(fmt::format("192.168.{}.0/20", third));
        if (is_free(candidate, taken)) return candidate;
    }
    return Error(Errc::Exhausted,
                 "could not find an available, non-overlapping IPv4 address pool among the defaults to "
                 "assign to the network");
}

Prefix choose_ula_subnet(const std::vector<Prefix>& taken) {
    for (;;) {
        auto bytes = random_bytes(16);
        bytes[0] = static_cast<char>(0xfd);
        Prefix candidate = Prefix{IpAddress::from_bytes(Family::V6, bytes.data()), 64}.masked();
        if (is_free(candidate, taken)) return candidate;
    }
}

bool enable_forwarding(Family family) {
    const char* name = family == Family::V4 ? "net/ipv4/ip_forward" : "net/ipv6/conf/all/forwarding";
    auto path = std::string("/proc/sys/") + name;
    if (trim(os::read_file(path, 64).value_or("1")) != "0") return false;
    auto written = os::write_file(path, "1");
    if (written)
        log::info("network: enabled {}", name);
    else
        log::warning("network: containers cannot reach other machines: {}", written.error().message());
    return written.ok();
}

}  // namespace pila::network
