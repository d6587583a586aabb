// SPDX-License-Identifier: Apache-2.0
#pragma once
// pods/binding: a scheduler says on which node a pod is to run. Once, and never again. Source: kube-apiserver's
// pkg/registry/core/pod/storage (assignPod).

#include <boost/json/fwd.hpp>

#include "cluster/api/registry.h"

namespace pila::cluster::api {

// `call` is about the pod; `binding`: the body, core/v1 Binding. Conflict: it is on a node already, going, or held by
// its scheduling gates.
Outcome<void> bind_pod(Registry& registry, Call& call, const json::object& binding);

}  // namespace pila::cluster::api
