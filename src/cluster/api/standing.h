// SPDX-License-Identifier: Apache-2.0
#pragma once
// Roles that the server itself looks after: those of every cluster, and sums of others (aggregationRule).

#include "cluster/api/registry.h"

namespace pila::cluster::api {

// Makes what is not there, gives what is there what it lacks (unless it is annotated to be left alone).
Result<void> ensure_standing_roles(Registry& registry);

// Gives every ClusterRole with an aggregationRule the rules of those it picks, until nothing changes any more: sums may
// be parts of other sums.
Result<void> aggregate_roles(Registry& registry);

}  // namespace pila::cluster::api
