// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bridges on the host and the subnets for them.

#include <string>
#include <vector>

#include "base/result.h"
#include "os/net/ip.h"
#include "os/net/netlink.h"

namespace pila::network {

struct BridgeSpec {
    std::string name;
    std::string network_id;                  // its hardware address comes from it
    std::vector<os::net::Prefix> addresses;  // the gateways, with the subnets' lengths
    std::uint32_t mtu = 1500;
    bool ipv6 = false;
    bool adopted = false;  // somebody else's: its other addresses stay
};

// Creates it, or adopts a bridge of that name and corrects it. Returns its index.
Result<int> ensure_bridge(os::net::NetlinkSocket& route, const BridgeSpec& spec);

// MTU of the link behind the default route; 1500 without one.
std::uint32_t outside_mtu(os::net::NetlinkSocket& route);

// The prefixes that are in use on the host, except on the link `but_not`.
Result<std::vector<os::net::Prefix>> prefixes_in_use(os::net::NetlinkSocket& route, const std::string& but_not = {});

// Docker's default pools: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in pieces of /20.
Result<os::net::Prefix> choose_subnet(const std::vector<os::net::Prefix>& taken);
// A /64 of a unique local prefix (RFC 4193).
os::net::Prefix choose_ula_subnet(const std::vector<os::net::Prefix>& taken);

os::net::Mac mac_of_address(const os::net::IpAddress& ipv4);  // 02:42 and the address, as Docker
// Switches the host's forwarding on if it is off; true if that changed something.
bool enable_forwarding(os::net::Family family);

}  // namespace pila::network
