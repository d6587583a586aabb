// SPDX-License-Identifier: Apache-2.0
#pragma once
// Short ways to build and read the API's JSON. For .cpp files only: it includes all of Boost.JSON's values.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "base/json.h"

namespace pila::cli {

json::array list_of(const std::vector<std::string>& items);
json::value list_or_null(const std::vector<std::string>& items);
json::object pairs_of(const std::vector<std::string>& items);  // "a=b", "c" -> {"a": "b", "c": ""}

template <typename T>
void set_if(json::object& object, std::string_view key, const T& value) {
    if (value != T{}) object[key] = value;
}
inline void set_if(json::object& object, std::string_view key, const std::string& value) {
    if (!value.empty()) object[key] = value;
}

// Reading: what is missing or of another type reads as empty.
const json::value& field(const json::value& value, std::string_view key);
const json::value& path(const json::value& value, std::string_view dotted);  // "State.Running"
std::string text(const json::value& value, std::string_view dotted);
std::int64_t number(const json::value& value, std::string_view dotted);
double real(const json::value& value, std::string_view dotted);
bool truthy(const json::value& value, std::string_view dotted);
const json::array& items(const json::value& value, std::string_view dotted);
const json::array& items(const json::value& value);
const json::object& members(const json::value& value, std::string_view dotted);
std::string as_text(const json::value& value);

}  // namespace pila::cli
