// SPDX-License-Identifier: Apache-2.0
#pragma once
// The PORTS column: "0.0.0.0:8080->80/tcp, 443/tcp", neighbouring ports joined.

#include <string>

#include <boost/json/fwd.hpp>

#include "base/json.h"

namespace pila::cli {

std::string published_ports(const json::array& ports);
std::string host_and_port(const std::string& ip, const std::string& port);  // brackets around IPv6 addresses

}  // namespace pila::cli
