// SPDX-License-Identifier: Apache-2.0
#pragma once
// What differs between two objects, as sets of paths.

#include "cluster/patch/field_set.h"
#include "cluster/patch/step.h"

namespace pila::cluster::patch {

struct Difference {
    FieldSet changed;  // is only in the second, or is different there
    FieldSet removed;  // is only in the first
};

// Both objects are of `node`; what FieldSet::of leaves out is left out here. Trees that are too deep differ in their
// depth's last step.
Difference compare(const json::value& before, const json::value& after, const schema::Node& node);

// FieldSet::of with the paths that nobody owns.
Result<FieldSet> whole_set_of(const json::value& object, const schema::Node& node);

// Takes the paths away that nobody owns: names, versions, what the server keeps.
void strip_unowned(FieldSet& set);

}  // namespace pila::cluster::patch
