// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is to be known of pods beyond the rules of their fields. Threads: any.

#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "cluster/kinds/cause.h"

namespace pila::cluster::kinds {

namespace json = boost::json;

// Guaranteed: every container is promised all the processor time and memory it may use; BestEffort: none is promised
// or denied anything; else Burstable (pkg/apis/core/v1/helper/qos of Kubernetes). Defaults are set, amounts canonical.
std::string_view quality_of_service(const json::object& pod);

// What is wrong with a request to pods/resize, which may give containers that stay who they are more or less of
// processors and memory: limits of memory only come down with a restart. Beside what validate_update() finds; amounts
// are canonical.
std::vector<Cause> validate_resize(const json::object& now, const json::object& old);

}  // namespace pila::cluster::kinds
