// SPDX-License-Identifier: Apache-2.0
#pragma once
// pods/ephemeralcontainers: containers for debugging come to a pod that runs, and nothing else of it changes.

#include <boost/json/object.hpp>

#include "cluster/api/call.h"
#include "cluster/api/status.h"

namespace pila::cluster::api {

inline bool is_of_ephemeral(const Call& call) { return call.subresource == "ephemeralcontainers"; }

// `object` becomes `old` with the containers that were sent. Invalid: some were changed or taken away.
Outcome<void> keep_all_but_ephemeral(json::object& object, const json::object& old, const Call& call);
// The pod as it was, had it had these containers: what the rules of updates are to compare with.
json::object with_ephemeral_of(const json::object& old, const json::object& object);

}  // namespace pila::cluster::api
