// SPDX-License-Identifier: Apache-2.0
#pragma once
// --network: a name, or name=..,alias=..,ip=...

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/json.h"
#include "base/result.h"

namespace pila::cli {

struct NetworkAttachment {
    std::string target;
    std::vector<std::string> aliases, link_local_ips, links;
    std::vector<std::pair<std::string, std::string>> driver_options;
    std::string ip, ip6, mac_address;
    std::int64_t gateway_priority = 0;
};

Result<NetworkAttachment> parse_network(std::string_view text);
bool is_user_defined_network(std::string_view name);
json::object endpoint_settings(const NetworkAttachment& network);

struct ContainerOptions;
// HostConfig.NetworkMode and NetworkingConfig.EndpointsConfig.
struct Networking {
    std::string mode;
    std::vector<NetworkAttachment> endpoints;
};
Result<Networking> networking_of(const ContainerOptions& options);

}  // namespace pila::cli
