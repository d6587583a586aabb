// SPDX-License-Identifier: Apache-2.0
#include "network/endpoint.h"

#include <algorithm>

namespace pila::network {

using os::net::Family;
using os::net::IpAddress;
using os::net::Prefix;

static constexpr std::size_t short_id = 12;

void name_endpoint(EndpointState& endpoint, const SandboxState& sandbox) {
    if (!endpoint.named) return;
    auto& names = endpoint.info.dns_names;
    auto add = [&](const std::string& name) {
        if (!name.empty() && std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    };
    names.clear();
    add(sandbox.container_name);
    for (const auto& alias : endpoint.info.aliases) add(alias);
    add(sandbox.container_id.substr(0, short_id));
    add(sandbox.hostname);
}

int gateway_endpoint(const std::vector<EndpointState>& endpoints) {
    const EndpointState* best = nullptr;
    for (const auto& endpoint : endpoints) {
        if (endpoint.info.gateway.empty() && endpoint.info.ipv6_gateway.empty()) continue;
        if (!best || endpoint.info.network_name < best->info.network_name) best = &endpoint;
    }
    return best ? static_cast<int>(best - endpoints.data()) : -1;
}

void add_default_routes(os::net::Batch& batch, const Endpoint& endpoint, int link_index) {
    static const Prefix everything_v4{IpAddress::from_number(Family::V4, 0), 0};
    static const Prefix everything_v6{IpAddress::from_number(Family::V6, 0), 0};
    if (auto gateway = IpAddress::parse(endpoint.gateway))
        os::net::add_route(batch, everything_v4, gateway, link_index);
    if (endpoint.ipv6.empty()) return;
    if (auto gateway = IpAddress::parse(endpoint.ipv6_gateway))
        os::net::add_route(batch, everything_v6, gateway, link_index);
}

}  // namespace pila::network
