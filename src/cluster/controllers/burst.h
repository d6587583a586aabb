// SPDX-License-Identifier: Apache-2.0
#pragma once
// Many writes of one kind, several at a time: the store takes into one commit whatever waits for it. First one, then
// twice as many as were just made, so that a thousand refusals cost a few (as k8s.io/kubernetes/pkg/controller,
// slowStartBatch).

#include <cstddef>
#include <functional>
#include <optional>

#include "cluster/api/status.h"

namespace pila::cluster::controllers {

// Calls with 0 to `count` - 1, from several threads, until one of a batch fails: the first failure of that batch.
api::Outcome<void> burst(std::size_t count, const std::function<api::Outcome<void>(std::size_t)>& call);

}  // namespace pila::cluster::controllers
