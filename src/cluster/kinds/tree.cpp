// SPDX-License-Identifier: Apache-2.0
#include "cluster/kinds/tree.h"

#include <algorithm>
#include <limits>

namespace pila::cluster::kinds {

const json::value* find(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && !value->is_null() ? value : nullptr;
}

std::string_view text_of(const json::value& value) {
    const auto* text = value.if_string();
    return text ? std::string_view(*text) : std::string_view();
}

std::string_view text_at(const json::object& object, std::string_view name, std::string_view otherwise) {
    const auto* value = find(object, name);
    return value && value->is_string() ? text_of(*value) : otherwise;
}

std::optional<std::int64_t> integer_of(const json::value& value) {
    if (const auto* number = value.if_int64()) return *number;
    if (value.is_uint64()) return std::numeric_limits<std::int64_t>::max();
    return std::nullopt;
}

std::optional<std::int64_t> integer_at(const json::object& object, std::string_view name) {
    const auto* value = find(object, name);
    return value ? integer_of(*value) : std::nullopt;
}

bool flag_at(const json::object& object, std::string_view name) {
    const auto* value = find(object, name);
    return value && value->is_bool() && value->get_bool();
}

namespace {

// What stands at the last name of a dotted one.
const json::value* descend(const json::object& object, std::string_view dotted) {
    const json::object* current = &object;
    for (auto dot = dotted.find('.'); dot != std::string_view::npos; dot = dotted.find('.')) {
        const auto* next = current->if_contains(dotted.substr(0, dot));
        if (!next || !next->is_object()) return nullptr;
        current = &next->get_object();
        dotted.remove_prefix(dot + 1);
    }
    return current->if_contains(dotted);
}

}  // namespace

const json::object* object_at(const json::object& object, std::string_view dotted) {
    const auto* value = descend(object, dotted);
    return value ? value->if_object() : nullptr;
}

json::object* object_at(json::object& object, std::string_view dotted) {
    return const_cast<json::object*>(object_at(static_cast<const json::object&>(object), dotted));
}

const json::array* list_at(const json::object& object, std::string_view dotted) {
    const auto* value = descend(object, dotted);
    return value ? value->if_array() : nullptr;
}

json::array* list_at(json::object& object, std::string_view dotted) {
    return const_cast<json::array*>(list_at(static_cast<const json::object&>(object), dotted));
}

bool has_items(const json::object& object, std::string_view dotted) {
    const auto* value = descend(object, dotted);
    if (!value) return false;
    if (const auto* list = value->if_array()) return !list->empty();
    const auto* map = value->if_object();
    return map && !map->empty();
}

std::vector<std::string> texts_at(const json::object& object, std::string_view dotted) {
    std::vector<std::string> texts;
    if (const auto* list = list_at(object, dotted))
        for (const auto& one : *list)
            if (one.is_string()) texts.emplace_back(text_of(one));
    return texts;
}

void take(json::object& to, const json::object& from, std::string_view name) {
    if (const auto* value = from.if_contains(name))
        to.insert_or_assign(name, *value);
    else
        to.erase(name);
}

std::size_t count_of(const json::object& object, std::initializer_list<std::string_view> names) {
    return static_cast<std::size_t>(
        std::count_if(names.begin(), names.end(), [&](std::string_view name) { return has(object, name); }));
}

namespace {

bool is_empty(const json::value* value) {
    if (!value) return true;
    switch (value->kind()) {
        case json::kind::null: return true;
        case json::kind::bool_: return !value->get_bool();
        case json::kind::int64: return value->get_int64() == 0;
        case json::kind::uint64: return value->get_uint64() == 0;
        case json::kind::double_: return value->get_double() == 0;
        case json::kind::string: return value->get_string().empty();
        case json::kind::array: return value->get_array().empty();
        case json::kind::object: break;
    }
    for (const auto& member : value->get_object())
        if (!is_empty(&member.value())) return false;
    return true;
}

}  // namespace

bool is_same(const json::value* left, const json::value* right) {
    if (is_empty(left) || is_empty(right)) return is_empty(left) && is_empty(right);
    if (left->is_object() && right->is_object()) return is_same(left->get_object(), right->get_object());
    if (!left->is_array() || !right->is_array()) return *left == *right;
    const auto &first = left->get_array(), &second = right->get_array();
    if (first.size() != second.size()) return false;
    for (std::size_t i = 0; i < first.size(); ++i)
        if (!is_same(&first[i], &second[i])) return false;
    return true;
}

bool is_same(const json::object& left, const json::object& right, std::initializer_list<std::string_view> except) {
    auto excepted = [&](std::string_view name) {
        return std::find(except.begin(), except.end(), name) != except.end();
    };
    for (const auto& member : left)
        if (!excepted(member.key()) && !is_same(&member.value(), right.if_contains(member.key()))) return false;
    for (const auto& member : right)
        if (!excepted(member.key()) && !left.if_contains(member.key()) && !is_empty(&member.value())) return false;
    return true;
}

bool set_absent(json::object& object, std::string_view name, json::value value) {
    if (find(object, name)) return false;
    object.insert_or_assign(name, std::move(value));
    return true;
}

bool set_empty(json::object& object, std::string_view name, std::string_view text) {
    const auto* value = find(object, name);
    if (value && (!value->is_string() || !value->get_string().empty())) return false;
    object.insert_or_assign(name, text);
    return true;
}

bool set_zero(json::object& object, std::string_view name, std::int64_t number) {
    const auto* value = find(object, name);
    if (value && integer_of(*value).value_or(1) != 0) return false;
    object.insert_or_assign(name, number);
    return true;
}

json::object* make_object(json::object& object, std::string_view name) {
    auto* value = object.if_contains(name);
    if (value && !value->is_null()) return value->if_object();
    return &object.insert_or_assign(name, json::object(object.storage())).first->value().get_object();
}

}  // namespace pila::cluster::kinds
