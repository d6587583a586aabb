// SPDX-License-Identifier: Apache-2.0
#pragma once
// 127.0.0.11:53 inside a container's namespace. The sockets are bound to ports of the kernel's choice and two stateless
// nftables rules swap the port numbers, so that the container can still run a name server of its own on port 53.

#include "network/helper_client.h"

namespace pila::network {

struct DnsSockets {
    Fd udp, tcp;  // non-blocking; tcp listens
};

Result<DnsSockets> open_dns_sockets(HelperClient& helper, FdView space);

}  // namespace pila::network
