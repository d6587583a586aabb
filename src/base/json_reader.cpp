// SPDX-License-Identifier: Apache-2.0
#include "base/json_reader.h"

#include <fmt/core.h>

namespace pila {

const json::value* JsonReader::find(std::string_view field) const {
    const auto* value = object_->if_contains(field);
    return value && !value->is_null() ? value : nullptr;
}

bool JsonReader::has(std::string_view field) const { return find(field) != nullptr; }

void JsonReader::fail(std::string_view field, std::string_view wanted) {
    if (!failure_.empty()) return;
    failure_ = fmt::format("invalid JSON: field {}{}{} must be {}", path_, path_.empty() ? "" : ".", field, wanted);
}

Result<void> JsonReader::check() const {
    if (!failure_.empty()) return Error(Errc::Invalid, failure_);
    return {};
}

void JsonReader::absorb(const JsonReader& inner) {
    if (failure_.empty()) failure_ = inner.failure_;
}

std::string JsonReader::text(std::string_view field, std::string fallback) {
    const auto* value = find(field);
    if (!value) return fallback;
    if (const auto* string = value->if_string()) return std::string(*string);
    fail(field, "a string");
    return fallback;
}

bool JsonReader::boolean(std::string_view field, bool fallback) {
    const auto* value = find(field);
    if (!value) return fallback;
    if (value->is_bool()) return value->get_bool();
    fail(field, "true or false");
    return fallback;
}

std::optional<std::int64_t> JsonReader::optional_integer(std::string_view field) {
    const auto* value = find(field);
    if (!value) return std::nullopt;
    if (value->is_int64()) return value->get_int64();
    fail(field, "a whole number");
    return std::nullopt;
}

std::int64_t JsonReader::integer(std::string_view field, std::int64_t fallback) {
    return optional_integer(field).value_or(fallback);
}

std::vector<std::string> JsonReader::strings(std::string_view field) {
    std::vector<std::string> result;
    const auto* value = find(field);
    if (!value) return result;
    if (const auto* one = value->if_string()) {
        result.emplace_back(*one);
        return result;
    }
    const auto* list = value->if_array();
    if (!list) {
        fail(field, "a list of strings");
        return result;
    }
    for (const auto& item : *list) {
        if (const auto* string = item.if_string()) result.emplace_back(*string);
        else fail(field, "a list of strings");
    }
    return result;
}

std::map<std::string, std::string> JsonReader::string_map(std::string_view field) {
    std::map<std::string, std::string> result;
    const auto* map = object(field);
    if (!map) return result;
    for (const auto& [key, item] : *map) {
        if (const auto* string = item.if_string()) result.emplace(key, *string);
        else if (!item.is_null()) fail(field, "an object of strings");
        else result.emplace(key, "");
    }
    return result;
}

const json::object* JsonReader::object(std::string_view field) {
    const auto* value = find(field);
    if (!value) return nullptr;
    if (const auto* inner = value->if_object()) return inner;
    fail(field, "an object");
    return nullptr;
}

const json::array* JsonReader::array(std::string_view field) {
    const auto* value = find(field);
    if (!value) return nullptr;
    if (const auto* list = value->if_array()) return list;
    fail(field, "a list");
    return nullptr;
}

std::vector<std::string> JsonReader::keys(std::string_view field) {
    std::vector<std::string> result;
    if (const auto* map = object(field))
        for (const auto& item : *map) result.emplace_back(item.key());
    return result;
}

}  // namespace pila
