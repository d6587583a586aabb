// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ways to change an object without sending all of it (apply: managed.h). Each takes the live tree and gives the
// patched one, or leaves it as it was and says why; the caller validates and stores. Nothing here knows of requests,
// names or times it was not given. Trees may be 100 deep. Threads: any.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/result.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::patch {

namespace json = boost::json;

// RFC 6902, with negative indexes. Invalid: no such document (HTTP 400). Conflict: it does not apply, as a failing test
// or a path that is not there (HTTP 422). Exhausted: more than 10,000 operations, or copies of over 3 MiB (HTTP 413).
Result<void> json_patch(json::value& object, const json::value& patch);

// RFC 7386. Never fails but for depth.
Result<void> merge_patch(json::value& object, const json::value& patch);

// Strategic merge: lists merge by their merge keys; $patch (replace, delete, merge), $deleteFromPrimitiveList/F,
// $setElementOrder/F, $retainKeys. New items stand before those that the patch does not name, as upstream has it.
// Fields that `type` does not have merge as maps, lists replace. Invalid: a directive that says nothing, an item
// without its merge key, a list that mixes maps and scalars.
Result<void> strategic_merge(json::value& object, const json::value& patch, const schema::Type& type);

}  // namespace pila::cluster::patch
