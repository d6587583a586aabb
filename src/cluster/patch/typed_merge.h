// SPDX-License-Identifier: Apache-2.0
#pragma once
// The two ways in which apply changes an object.

#include "cluster/patch/field_set.h"
#include "cluster/patch/step.h"

namespace pila::cluster::patch {

// Puts what `configuration` sets into `live`. Items of lists stand in the configuration's order, those that only the
// live list has near their neighbours.
void merge_configuration(json::value& live, const json::value& configuration, const schema::Node& node);

// Takes away what is in `former` and, it or what it is in, not in `owned`.
void prune(json::value& live, const FieldSet& former, const FieldSet& owned, const schema::Node& node);

}  // namespace pila::cluster::patch
