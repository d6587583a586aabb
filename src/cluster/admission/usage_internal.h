// SPDX-License-Identifier: Apache-2.0
#pragma once
// What objects count for in quotas, and which quotas they concern (Kubernetes' pkg/quota/v1/evaluator/core).

#include <boost/json/object.hpp>

#include "cluster/admission/amounts_internal.h"

namespace pila::cluster::admission {

// "core/pods" of a key "core/pods/default/web".
std::string_view collection_of(std::string_view key);

// Everything that an object of this collection counts for, at `now` (microseconds since 1970).
Amounts usage_of(std::string_view collection, const json::object& object, std::int64_t now);
// Whether this name in a quota counts such objects.
bool is_counted_by(std::string_view resource, std::string_view collection);
// Where the objects are that this name of a quota counts: "core/pods"; "": none that are known.
std::string collection_counted_by(std::string_view resource);

// Whether the quota's scopes take the object in.
bool is_in_scope(const json::object& quota, std::string_view collection, const json::object& object);

// What the pod's containers have to say because a quota counts it: "" or "must specify cpu for: web".
std::string missing_amounts(const Amounts& hard, const json::object& pod);

}  // namespace pila::cluster::admission
