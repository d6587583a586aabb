// SPDX-License-Identifier: Apache-2.0
#pragma once
// Subresources of pods by which a part of a pod that runs changes and nothing else of it: pods/ephemeralcontainers
// (containers for debugging come), pods/resize (containers get more or less of processors and memory).

#include <boost/json/object.hpp>

#include "cluster/api/call.h"
#include "cluster/api/status.h"

namespace pila::cluster::api {

inline bool is_pod_part(std::string_view subresource) {
    return subresource == "ephemeralcontainers" || subresource == "resize";
}
inline bool is_of_pod_part(const Call& call) { return is_pod_part(call.subresource); }

// `object` becomes `old` with that part of what was sent.
void keep_all_but_part(json::object& object, const json::object& old, const Call& call);
// What is wrong with the part's change, else with the rest of the pod.
std::vector<Cause> validate_part(const json::object& object, const json::object& old, const Call& call);

}  // namespace pila::cluster::api
