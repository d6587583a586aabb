// SPDX-License-Identifier: Apache-2.0
#pragma once
// The four ways to change an object without sending all of it. Each takes the live tree and gives the patched one; the
// caller validates and stores. Nothing here knows of requests, names or times it was not given. Threads: any.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/result.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::patch {

namespace json = boost::json;

// RFC 6902, at most 10,000 operations. Invalid: no such document (HTTP 400). Conflict: it does not apply, as a failing
// test or a path that is not there (HTTP 422).
Result<void> json_patch(json::value& object, const json::value& patch);

// RFC 7386. Never fails but for depth.
Result<void> merge_patch(json::value& object, const json::value& patch);

// Strategic merge: lists merge by their merge keys; $patch (replace, delete, merge), $deleteFromPrimitiveList/F,
// $setElementOrder/F, $retainKeys. Invalid: a directive that says nothing, an item without its merge key.
Result<void> strategic_merge(json::value& object, const json::value& patch, const schema::Type& type);

}  // namespace pila::cluster::patch
