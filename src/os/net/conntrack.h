// SPDX-License-Identifier: Apache-2.0
#pragma once
// The kernel's list of connections, as far as we have to change it.

#include <cstdint>
#include <functional>

#include "os/net/ip.h"
#include "os/net/netlink.h"

namespace pila::os::net {

// Forgets connections of `protocol` to a port, so that the next packet meets the rules of now. UDP has no other moment
// for that: while a client keeps sending, its old entry lives. `chosen` decides by the original destination.
Result<void> forget_connections(NetlinkSocket& netfilter, Family family, std::uint8_t protocol, std::uint16_t port,
                                const std::function<bool(const IpAddress&)>& chosen);

}  // namespace pila::os::net
