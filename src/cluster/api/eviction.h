// SPDX-License-Identifier: Apache-2.0
#pragma once
// pods/eviction: a deletion that asks the pod's disruption budget first. Source: kube-apiserver's
// pkg/registry/core/pod/storage/eviction.go.

#include <boost/json/object.hpp>

#include "cluster/api/registry.h"

namespace pila::cluster::api {

// `eviction`: the body, policy/v1 Eviction. TooManyRequests: the budget does not allow it now.
Outcome<void> evict(Registry& registry, Call& call, const json::object& eviction);

}  // namespace pila::cluster::api
