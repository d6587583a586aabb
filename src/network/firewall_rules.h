// SPDX-License-Identifier: Apache-2.0
#pragma once
// The fixed part of our tables: sets, chains, rules; and the elements that bridges and ports are in them.

#include <string>
#include <vector>

#include "network/firewall.h"
#include "os/net/nft.h"

namespace pila::network::rules {

inline const std::string bridges = "bridges";          // interface names of all networks
inline const std::string internal = "internal";        // those of networks without an outside
inline const std::string same_bridge = "same_bridge";  // in . out
inline const std::string subnets = "subnets";          // of all networks
inline const std::string masqueraded = "masqueraded";  // of those whose containers leave with the host's address
inline const std::string ports = "ports";              // protocol . host address . port -> address . port
inline const std::string ports_any = "ports_any";      // protocol . port -> address . port

void add_table(os::net::nft::Transaction& transaction, os::net::Family family, const std::string& table);

struct SetElements {
    std::string set;
    std::vector<os::net::nft::Element> elements;
};
std::vector<SetElements> elements_of(os::net::Family family, const BridgeRules& bridge);
os::net::nft::Element element_of(const PortRule& port);
const std::string& map_of(const os::net::IpAddress& host_address);

}  // namespace pila::network::rules
