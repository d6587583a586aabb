// SPDX-License-Identifier: Apache-2.0
#pragma once
// How far a change reaches: a whole object's, that of its status alone, that of one part of a pod.

#include <boost/json/object.hpp>

#include "cluster/api/call.h"

namespace pila::cluster::api {

// What the call's change of `live` cannot reach becomes what it was: whatever a client, or a webhook, has put there.
void keep_out_of_reach(json::object& object, const json::object& live, const Call& call);

}  // namespace pila::cluster::api
