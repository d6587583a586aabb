// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small rules about the endpoints of one container.

#include <optional>
#include <vector>

#include "network/sandbox.h"
#include "os/net/route.h"

namespace pila::network {

// The name, the aliases, the short id, the host name; nobody is called anything on the default network.
void name_endpoint(EndpointState& endpoint, const SandboxState& sandbox);

// Which endpoint leads outside: not that of an internal network; by name, as Docker chooses. -1: none.
int gateway_endpoint(const std::vector<EndpointState>& endpoints);

void add_default_routes(os::net::Batch& batch, const Endpoint& endpoint, int link_index);

}  // namespace pila::network
