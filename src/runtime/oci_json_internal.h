// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reading typed members of a JSON object, with the member's name in every error. Only for .cpp files of oci_*.

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/result.h"

namespace pila::runtime::oci {

namespace json = boost::json;

inline Error wrong_type(std::string_view key, const char* wanted) {
    return Error(Errc::Invalid, fmt::format("config.json: {}: must be {}", key, wanted));
}

// nullptr: missing or null, which mean the same.
inline const json::value* member(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(json::string_view(key.data(), key.size()));
    return value && !value->is_null() ? value : nullptr;
}

inline Result<const json::object*> object_member(const json::object& object, std::string_view key) {
    const auto* value = member(object, key);
    if (!value) return static_cast<const json::object*>(nullptr);
    if (!value->is_object()) return wrong_type(key, "an object");
    return &value->get_object();
}

inline Result<const json::array*> array_member(const json::object& object, std::string_view key) {
    static const json::array& none = *new json::array;
    const auto* value = member(object, key);
    if (!value) return &none;
    if (!value->is_array()) return wrong_type(key, "an array");
    return &value->get_array();
}

inline Result<std::string> text_of(const json::value& value, std::string_view key) {
    if (!value.is_string()) return wrong_type(key, "a string");
    std::string text(value.get_string().data(), value.get_string().size());
    // It ends up in a system call.
    if (text.find('\0') != std::string::npos) return wrong_type(key, "a string without zero bytes");
    return text;
}

inline Result<std::string> text_member(const json::object& object, std::string_view key) {
    const auto* value = member(object, key);
    return value ? text_of(*value, key) : Result<std::string>(std::string());
}

inline Result<std::vector<std::string>> texts_member(const json::object& object, std::string_view key) {
    std::vector<std::string> texts;
    const auto* array = TRY(array_member(object, key));
    for (const auto& value : *array) texts.push_back(TRY(text_of(value, key)));
    return texts;
}

inline Result<bool> flag_member(const json::object& object, std::string_view key) {
    const auto* value = member(object, key);
    if (!value) return false;
    if (!value->is_bool()) return wrong_type(key, "true or false");
    return value->get_bool();
}

template <typename Number>
Result<std::optional<Number>> number_member(const json::object& object, std::string_view key) {
    const auto* value = member(object, key);
    if (!value) return std::optional<Number>();
    boost::system::error_code error;
    auto number = value->to_number<Number>(error);
    if (error || value->is_double()) return wrong_type(key, "a whole number in range");
    return std::optional<Number>(number);
}

inline Result<const json::object*> element(const json::value& value, std::string_view key) {
    if (!value.is_object()) return wrong_type(key, "an array of objects");
    return &value.get_object();
}

}  // namespace pila::runtime::oci
