// SPDX-License-Identifier: Apache-2.0
#pragma once
// Kinds that are another shape of the objects of a second kind: `schema::Kind::stored` names that one, and its bytes
// are what is kept. Events of two groups, autoscalers of two versions. Everything else is one kind, one shape. Threads:
// any.

#include <string_view>

#include <boost/json/object.hpp>

#include "cluster/schema/schema.h"

namespace pila::cluster::convert {

namespace json = boost::json;

inline const schema::Kind& stored_kind(const schema::Kind& kind) { return kind.stored ? *kind.stored : kind; }

// A whole object, in place, from the shape of `kind` to that of its stored kind, and back; nothing is lost on the way.
// Kinds with a shape of their own stay as they are.
void to_stored(json::object& object, const schema::Kind& kind);
void from_stored(json::object& object, const schema::Kind& kind);

// How the stored kind calls a field that selectors of `kind` may name.
std::string_view stored_field(const schema::Kind& kind, std::string_view field);

}  // namespace pila::cluster::convert
