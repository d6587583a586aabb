// SPDX-License-Identifier: Apache-2.0
#pragma once
// Objects of kinds that are another's shape (cluster/convert), on their way to the store.

#include <boost/json/object.hpp>

#include "cluster/api/call.h"
#include "cluster/api/status.h"

namespace pila::cluster::api {

// As the stored kind has it, and by its rules too: annotations, which become fields there, may say anything.
Outcome<json::object> in_stored_shape(const json::object& object, const Call& call);

}  // namespace pila::cluster::api
