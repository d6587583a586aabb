// SPDX-License-Identifier: Apache-2.0
#pragma once
// The service `kubernetes` in `default`: how pods reach this API.

#include <string>

#include "cluster/api/registry.h"

namespace pila::cluster::api {

// Makes it where it is not there, and its endpoints say `address` (HOST:PORT). An address of this machine alone, or a
// name, is no endpoint: then it has none.
Outcome<void> keep_own_service(Registry& registry, const User& self, const std::string& address);

}  // namespace pila::cluster::api
