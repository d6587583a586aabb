// SPDX-License-Identifier: Apache-2.0
#pragma once
// What controllers read and write in objects: fields by dotted names, owners, conditions, times. What is absent or of
// another type is not there.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "cluster/schema/schema.h"

namespace pila::cluster::controllers {

namespace json = boost::json;

// A kind of the catalogue that is known to be there: kind_of("apps", "v1", "deployments").
const schema::Kind& kind_of(std::string_view group, std::string_view version, std::string_view plural);

const json::value* value_in(const json::object& object, std::string_view dotted);
std::string_view text_in(const json::object& object, std::string_view dotted);
std::int64_t number_in(const json::object& object, std::string_view dotted, std::int64_t otherwise = 0);
bool flag_in(const json::object& object, std::string_view dotted);
const json::object* object_in(const json::object& object, std::string_view dotted);
const json::array* list_in(const json::object& object, std::string_view dotted);
json::object& make_object_in(json::object& object, std::string_view dotted);  // made where it is not there

std::string_view annotation_of(const json::object& object, std::string_view name);
bool is_going(const json::object& object);  // has a deletionTimestamp
bool has_finalizer(const json::object& object, std::string_view name);

// "NAMESPACE/NAME" of an object, or "NAME"; and back.
std::string name_key(const json::object& object);
struct Name {
    std::string space, name;
};
Name name_of(std::string_view key);

struct Owner {
    std::string api_version, kind, name, uid;
    bool is_controller = false, blocks = false;
};
std::vector<Owner> owners_of(const json::object& object);
std::optional<Owner> controller_of(const json::object& object);
// A reference by which `owner` controls something, and holds up its own foreground deletion.
json::object reference_to(const json::object& owner, const schema::Kind& kind);

// Microseconds since 1970 in a field of RFC 3339; 0: not there.
std::int64_t time_in(const json::object& object, std::string_view dotted);

const json::object* find_condition(const json::object& status, std::string_view type);
bool is_true(const json::object* condition);
void remove_condition(json::object& status, std::string_view type);

// "25%" of `total`, or a number.
std::int64_t scaled(const json::value* value, std::int64_t total, bool rounds_up);

// The same for the same content, whatever the order of members.
std::string sorted_json(const json::value& value);
// FNV-1a of it and `salt`, in letters and digits that make no words: what pods of one template are labelled with.
std::string hash_of(const json::value& value, std::optional<std::int64_t> salt);

}  // namespace pila::cluster::controllers
