// SPDX-License-Identifier: Apache-2.0
#pragma once
// The steps from the schema of a definition, a tree, to nodes and constraints.

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "cluster/custom/custom.h"
#include "cluster/kinds/path.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/constraints.h"

namespace pila::cluster::custom {

using kinds::Path;

constexpr std::size_t most_causes = 100;
constexpr int deepest_schema = 64;  // bodies end at 100, and each level of an object has two of its schema

inline void add(std::vector<Cause>& causes, Cause cause) {
    if (causes.size() < most_causes) causes.push_back(std::move(cause));
}

// Calls with name and schema of each property. `find`, unlike this, does not see what is null.
template <typename Call>
void each_property(const json::object& schema, Call&& call) {
    const auto* properties = kinds::object_at(schema, "properties");
    if (!properties) return;
    for (const auto& member : *properties)
        if (const auto* property = member.value().if_object())
            call(std::string_view(member.key().data(), member.key().size()), *property);
}

inline const json::object* property_of(const json::object& schema, std::string_view name) {
    const auto* properties = kinds::object_at(schema, "properties");
    const auto* found = properties ? properties->if_contains(name) : nullptr;
    return found ? found->if_object() : nullptr;
}

// Whether it is structural, and has nothing that is not supported. `path`: of the whole schema.
void check_structure(const json::object& schema, const Path& path, Findings& findings);

// Of a schema that passed check_structure().
schema::Constraints read_constraints(const json::object& schema);

struct Store {
    std::deque<schema::Type> types;
    std::deque<schema::Node> nodes;
};
// The root's type, with apiVersion, kind and metadata. Causes: defaults that do not fit.
const schema::Type* read_type(const json::object& schema, const schema::Constraints& constraints, std::string_view kind,
                              const Path& path, Store& store, Findings& findings);

// A value somewhere below an object: what is wrong goes to `causes`.
void check_value(const json::value& value, const schema::Constraints& constraints, const Path& path,
                 std::vector<Cause>& causes);

// Formats of strings; what is not known is right.
bool is_of_format(std::string_view format, std::string_view text);

}  // namespace pila::cluster::custom
