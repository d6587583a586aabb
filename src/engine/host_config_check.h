// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "base/json.h"
#include "base/result.h"

namespace pila::engine {

// What cannot be in one request, and modes that are none, in dockerd's words. Of the request's own fields: what the
// image or pila fill in conflicts with nothing.
Result<void> check_host_config(const json::object& body);

}  // namespace pila::engine
