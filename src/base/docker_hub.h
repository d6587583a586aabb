// SPDX-License-Identifier: Apache-2.0
#pragma once
// Under which name clients keep and send their credentials for docker.io.

#include <string_view>

namespace pila {

inline constexpr std::string_view docker_hub_server = "https://index.docker.io/v1/";

}  // namespace pila
