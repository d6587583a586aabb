// SPDX-License-Identifier: Apache-2.0
#pragma once
// The scale subresource: replicas of whatever has them, in one form (autoscaling/v1 Scale).

#include <boost/json/fwd.hpp>

#include "cluster/api/registry.h"

namespace pila::cluster::api {

json::value scale_of(const json::value& object, const schema::Kind& kind, json::storage_ptr memory);
// What a changed Scale means for the object: a merge patch. Invalid: no or negative replicas.
Outcome<json::value> change_of_scale(const json::value& scale, const schema::Kind& kind, std::string_view name);

}  // namespace pila::cluster::api
