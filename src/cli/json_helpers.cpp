// SPDX-License-Identifier: Apache-2.0
#include "cli/json_helpers.h"

namespace pila::cli {

json::array list_of(const std::vector<std::string>& items) {
    json::array list;
    list.reserve(items.size());
    for (const auto& item : items) list.emplace_back(item);
    return list;
}

json::value list_or_null(const std::vector<std::string>& items) {
    return items.empty() ? json::value(nullptr) : json::value(list_of(items));
}

json::object pairs_of(const std::vector<std::string>& items) {
    json::object out;
    for (const auto& item : items) {
        auto equals = item.find('=');
        out[item.substr(0, equals)] = equals == std::string::npos ? std::string() : item.substr(equals + 1);
    }
    return out;
}

const json::value& field(const json::value& value, std::string_view key) {
    static const json::value nothing;
    const auto* object = value.if_object();
    const auto* found = object ? object->if_contains(key) : nullptr;
    return found ? *found : nothing;
}

const json::value& path(const json::value& value, std::string_view dotted) {
    const json::value* at = &value;
    for (;;) {
        auto dot = dotted.find('.');
        at = &field(*at, dotted.substr(0, dot));
        if (dot == std::string_view::npos) return *at;
        dotted.remove_prefix(dot + 1);
    }
}

std::string as_text(const json::value& value) {
    const auto* text = value.if_string();
    return text ? std::string(*text) : std::string();
}

std::string text(const json::value& value, std::string_view dotted) { return as_text(path(value, dotted)); }

std::int64_t number(const json::value& value, std::string_view dotted) {
    const auto& found = path(value, dotted);
    if (found.is_int64()) return found.get_int64();
    if (found.is_uint64()) return static_cast<std::int64_t>(found.get_uint64());
    if (found.is_double()) return static_cast<std::int64_t>(found.get_double());
    return 0;
}

double real(const json::value& value, std::string_view dotted) {
    const auto& found = path(value, dotted);
    if (found.is_int64()) return static_cast<double>(found.get_int64());
    if (found.is_uint64()) return static_cast<double>(found.get_uint64());
    return found.is_double() ? found.get_double() : 0;
}

bool truthy(const json::value& value, std::string_view dotted) {
    const auto& found = path(value, dotted);
    return found.is_bool() && found.get_bool();
}

const json::array& items(const json::value& value) {
    static const json::array none;
    const auto* list = value.if_array();
    return list ? *list : none;
}

const json::array& items(const json::value& value, std::string_view dotted) { return items(path(value, dotted)); }

const json::object& members(const json::value& value, std::string_view dotted) {
    static const json::object none;
    const auto* object = path(value, dotted).if_object();
    return object ? *object : none;
}

}  // namespace pila::cli
