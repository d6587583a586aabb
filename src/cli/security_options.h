// SPDX-License-Identifier: Apache-2.0
#pragma once
// --security-opt, --cap-add, --cap-drop.

#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "base/json.h"
#include "base/result.h"

namespace pila::cli {

struct Security {
    json::value options;  // null or a list
    bool system_paths_unconfined = false;
};
// Reads seccomp profiles from their files.
Result<Security> security_of(const std::vector<std::string>& options);

// CAP_NAME in capitals, sorted, each once; null for none.
json::value capabilities(const std::vector<std::string>& names);

}  // namespace pila::cli
