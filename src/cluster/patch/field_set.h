// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sets of paths within an object: what a manager owns (structured-merge-diff v4; FieldsV1 is its JSON form).

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "base/result.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::patch {

namespace json = boost::json;

// One step, in its FieldsV1 form: `f:name`, `k:{"name":"c"}` (keys in order), `v:"value"`, `i:0`.
class FieldSet {
public:
    // Everything that `object` sets, as apply sees it: leaves, items of lists by their keys; atomic things as one leaf.
    // Without metadata's server-owned fields, apiVersion and kind. Invalid: two items with one key.
    static Result<FieldSet> of(const json::value& object, const schema::Node& node);
    static Result<FieldSet> parse(const json::value& fields_v1);
    json::value fields_v1(json::storage_ptr memory) const;

    bool empty() const { return !member_ && children_.empty(); }
    bool has(const FieldSet& path_of_one) const;
    FieldSet unite(const FieldSet& other) const;
    FieldSet intersect(const FieldSet& other) const;
    FieldSet subtract(const FieldSet& other) const;  // exact members
    bool operator==(const FieldSet& other) const;
    // ".spec.containers[name=\"c\"].image" of each member, in order, at most `most`.
    std::vector<std::string> paths(std::size_t most = 100) const;

    bool member_ = false;  // this path itself: FieldsV1's "."
    std::map<std::string, FieldSet, std::less<>> children_;
};

}  // namespace pila::cluster::patch
