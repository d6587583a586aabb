// SPDX-License-Identifier: Apache-2.0
#pragma once
// -p and --expose.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::cli {

struct PortBinding {
    std::string port;  // "80/tcp"
    std::string host_ip, host_port;
};

// [[IP:]HOST_PORT:]PORT[/PROTOCOL] with ranges, or published=..,target=..,protocol=..
Result<std::vector<PortBinding>> parse_publish(std::string_view text);
// PORT[-PORT][/PROTOCOL] -> "80/tcp", ...
Result<std::vector<std::string>> parse_expose(std::string_view text);
bool is_ip_address(std::string_view text);

}  // namespace pila::cli
