// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sets of paths within an object: what a manager owns (structured-merge-diff v4; FieldsV1 is its JSON form).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>
#include <boost/json/storage_ptr.hpp>

#include "base/result.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::patch {

namespace json = boost::json;

// A step is kept in its FieldsV1 form: `f:name`, `k:{"name":"c"}` (keys in order), `v:"value"`, `i:0`; steps are sorted
// as clients of Kubernetes see them: names, keys, values, indexes; numbers within keys and values by their size.
class FieldSet {
public:
    struct Child;

    FieldSet();
    FieldSet(const FieldSet&);
    FieldSet(FieldSet&&) noexcept;
    FieldSet& operator=(const FieldSet&);
    FieldSet& operator=(FieldSet&&) noexcept;
    ~FieldSet();

    // Everything that `object` sets, as apply sees it: leaves, items of lists by their keys; atomic things as one leaf.
    // Without apiVersion, kind and what the server owns of metadata. Invalid: an item without keys, two with one key.
    static Result<FieldSet> of(const json::value& object, const schema::Node& node);
    // Invalid: a step of no known form; deeper than 100; more than 100,000 steps.
    static Result<FieldSet> parse(const json::value& fields_v1);
    json::value fields_v1(json::storage_ptr memory) const;

    bool empty() const { return !member_ && children_.empty(); }
    bool is_member() const { return member_; }  // this path itself: FieldsV1's "."
    const std::vector<Child>& children() const { return children_; }
    const FieldSet* find(std::string_view step) const;
    const FieldSet* find_field(std::string_view name) const { return find_parts("f:", name); }
    bool has(const FieldSet& paths) const;  // all of them

    FieldSet unite(const FieldSet& other) const;
    FieldSet intersect(const FieldSet& other) const;
    FieldSet subtract(const FieldSet& other) const;  // exact members
    bool operator==(const FieldSet& other) const;
    // `.spec.containers[name="c"].image` of each member, in order, at most `most`.
    std::vector<std::string> paths(std::size_t most = 100) const;

    // To build one: `add` wants children in any order, but then `finish`; empty ones are dropped.
    void set_member(bool member = true) { member_ = member; }
    void add(std::string step, FieldSet set);
    void finish();
    void discard(const FieldSet& members);  // becomes subtract(members), without copying

private:
    const FieldSet* find_parts(std::string_view prefix, std::string_view rest) const;
    void append_paths(std::string& prefix, std::size_t most, std::vector<std::string>& paths) const;
    json::value write(const json::storage_ptr& memory) const;

    bool member_ = false;
    std::vector<Child> children_;  // sorted, none of them empty
};

struct FieldSet::Child {
    std::string step;
    FieldSet set;
};

// Order of two steps: negative, 0 or positive.
int compare_steps(std::string_view left, std::string_view right);

}  // namespace pila::cluster::patch
