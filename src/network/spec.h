// SPDX-License-Identifier: Apache-2.0
#pragma once
// A network as asked for -> checked and complete.

#include <string>
#include <string_view>
#include <vector>

#include "network/network.h"
#include "network/sandbox.h"

namespace pila::network {

Result<void> check_network_name(std::string_view name);

// Docker's options of the bridge driver, written to `state`; unknown ones are kept and ignored, as Docker does.
Result<void> apply_options(NetworkState& state);

// Checks the subnets that the user gave, adds chosen ones where they are missing, and fills gateways in. `own` are the
// subnets of our other networks, `host` those the host uses otherwise.
Result<void> complete_subnets(NetworkSpec& spec, const std::vector<os::net::Prefix>& own,
                              const std::vector<os::net::Prefix>& host);

// Address pools for complete subnets; gateways and auxiliary addresses are taken.
Result<std::vector<AddressPool>> make_pools(const NetworkSpec& spec);

std::vector<os::net::Prefix> subnets_of(const NetworkSpec& spec);

}  // namespace pila::network
