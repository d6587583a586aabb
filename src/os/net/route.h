// SPDX-License-Identifier: Apache-2.0
#pragma once
// Links, addresses and routes over NETLINK_ROUTE: builders that append one message to a Batch, and the listings.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "os/net/ip.h"
#include "os/net/netlink.h"

namespace pila::os::net {

struct Link {
    int index = 0;
    std::string name, kind;  // kind: "bridge", "veth", "" for hardware
    bool up = false;
    int master = 0;
    std::uint32_t mtu = 0, group = 0;
    Mac mac{};
};

struct LinkAddress {
    int index = 0;
    Prefix prefix;
};

struct RouteEntry {
    Prefix destination;  // length 0: the default route
    int link = 0;        // 0: several next hops
    std::uint32_t metric = 0, table = 0;
};

struct VethSpec {
    std::string name;    // in the socket's namespace
    std::string master;  // bridge to join; "": none
    int master_index = 0;
    std::uint32_t mtu = 0, group = 0;  // 0: default
    bool isolated = false;             // may not talk to other isolated ports of the bridge
    int peer_namespace = -1;           // descriptor; -1: the socket's
    int peer_index = 0;                // 0: chosen by the kernel
    std::string peer_name;
    std::optional<Mac> peer_mac;
};

bool have_ipv6();  // the kernel has it at all (ipv6.disable=1 takes it away)

void add_bridge(Batch& batch, const std::string& name, const Mac& mac, std::uint32_t mtu);
// Creates the pair, joins the bridge, brings this side up. This side gets no IPv6 address of its own.
void add_veth(Batch& batch, const VethSpec& spec);
// The bridge may send a frame back through the port it came from.
void set_hairpin(Batch& batch, const std::string& name);
void set_link_up(Batch& batch, int index, const std::string& name);
void set_link_up(Batch& batch, const std::string& name);
void set_link_mac(Batch& batch, int index, const Mac& mac);
void set_link_group(Batch& batch, const std::string& name, std::uint32_t group);  // a missing link is fine
void delete_link(Batch& batch, const std::string& name);                          // a missing link is fine
void delete_links(Batch& batch, std::uint32_t group);                             // an empty group is fine
void add_address(Batch& batch, int index, const Prefix& address);
void delete_address(Batch& batch, int index, const Prefix& address);
// gateway without value: on the link itself.
void add_route(Batch& batch, const Prefix& destination, std::optional<IpAddress> gateway, int index);
void delete_route(Batch& batch, const Prefix& destination, std::optional<IpAddress> gateway, int index);

Result<std::vector<Link>> list_links(NetlinkSocket& socket);
Result<Link> find_link(NetlinkSocket& socket, const std::string& name);  // NotFound
Result<std::vector<LinkAddress>> list_addresses(NetlinkSocket& socket);
Result<std::vector<RouteEntry>> list_routes(NetlinkSocket& socket);  // both families, all tables but "local"

}  // namespace pila::os::net
