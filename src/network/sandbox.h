// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the room keeps in memory about a container's network, and about a network.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "network/address_pool.h"
#include "network/firewall.h"
#include "network/network.h"
#include "os/net/netlink.h"

namespace pila::network {

// A namespace that nobody uses yet.
struct Prepared {
    Fd space;
    std::unique_ptr<os::net::NetlinkSocket> netlink;  // inside
    std::optional<Endpoint> endpoint;                 // on the default bridge
    std::string host_link;
};

struct EndpointState {
    Endpoint info;
    std::string host_link;                 // our side of the pair
    bool named = false, internal = false;  // of its network: user-defined; without an outside
};

// What change_ports() has begun.
struct PendingPorts {
    std::vector<PublishedPort> added, gone;
    std::vector<PortRule> added_rules, gone_rules;
};

struct SandboxState {
    std::string container_id, container_name, hostname;
    std::string key;  // in the store; another one each time, so that a late removal cannot hit a successor
    std::vector<EndpointState> endpoints;
    std::vector<PublishedPort> ports;
    std::vector<PortRule> rules;
    std::optional<PendingPorts> pending;
    std::vector<std::string> dns_servers;
    Fd space;
};

struct NetworkState {
    Network info;
    std::string bridge;  // "" for host and none
    int bridge_index = 0;
    std::uint32_t mtu = 0;
    bool inter_container = true, masquerade = true;
    bool subnet_configured = false;  // by the user: static addresses are possible
    bool adopted = false;            // the bridge was there before us and stays behind
    std::string host_binding;
    std::vector<AddressPool> pools;  // in the order of info.spec.subnets
    unsigned users = 0;              // endpoints, those being made and taken down included
    bool removing = false;

    BridgeRules rules() const;
    AddressPool* pool(os::net::Family family);  // the first of it
    AddressPool* pool_with(const os::net::IpAddress& address);
    std::optional<os::net::IpAddress> gateway(os::net::Family family) const;
};

}  // namespace pila::network
