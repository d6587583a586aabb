// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading and completing trees without surprise: what is absent, null or of another type than asked for is "not there".

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

namespace pila::cluster::kinds {

namespace json = boost::json;

const json::value* find(const json::object& object, std::string_view name);
inline bool has(const json::object& object, std::string_view name) { return find(object, name) != nullptr; }

std::string_view text_of(const json::value& value);  // "" unless it is a string
std::string_view text_at(const json::object& object, std::string_view name, std::string_view otherwise = "");
std::optional<std::int64_t> integer_of(const json::value& value);
std::optional<std::int64_t> integer_at(const json::object& object, std::string_view name);
bool flag_at(const json::object& object, std::string_view name);

// Names may be dotted: `object_at(pod, "spec.securityContext")`.
const json::object* object_at(const json::object& object, std::string_view dotted);
json::object* object_at(json::object& object, std::string_view dotted);
const json::array* list_at(const json::object& object, std::string_view dotted);
json::array* list_at(json::object& object, std::string_view dotted);
bool has_items(const json::object& object, std::string_view dotted);  // a list or a map with something in it
std::vector<std::string> texts_at(const json::object& object, std::string_view dotted);           // its strings
std::size_t count_of(const json::object& object, std::initializer_list<std::string_view> names);  // how many are there

// What `to` has by that name becomes what `from` has, be it nothing.
void take(json::object& to, const json::object& from, std::string_view name);

// Calls with each element that is an object, and its index.
template <typename Call>
void each_object(const json::array* list, Call&& call) {
    if (!list) return;
    for (std::size_t i = 0; i < list->size(); ++i)
        if (const auto* object = (*list)[i].if_object()) call(*object, i);
}
template <typename Call>
void each_object(json::array* list, Call&& call) {
    if (!list) return;
    for (auto& element : *list)
        if (auto* object = element.if_object()) call(*object);
}

// Alike, where nothing, null, "", 0, false, [] and {} are the same: Go leaves such fields away.
bool is_same(const json::value* left, const json::value* right);
bool is_same(const json::object& left, const json::object& right, std::initializer_list<std::string_view> except = {});

// Defaults: nothing happens where something is.
bool set_absent(json::object& object, std::string_view name, json::value value);
bool set_empty(json::object& object, std::string_view name, std::string_view text);  // absent or ""
bool set_zero(json::object& object, std::string_view name, std::int64_t number);     // absent or 0
json::object* make_object(json::object& object, std::string_view name);              // null: something else is there

}  // namespace pila::cluster::kinds
