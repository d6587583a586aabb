// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/fields.h"

#include <algorithm>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/codec/codec.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::controllers {

const schema::Kind& kind_of(std::string_view group, std::string_view version, std::string_view plural) {
    return *schema::Catalogue::builtin().find_resource({std::string(group), std::string(version)}, plural);
}

const json::value* value_in(const json::object& object, std::string_view dotted) {
    const auto* inner = &object;
    for (;;) {
        auto dot = dotted.find('.');
        const auto* value = inner->if_contains(dotted.substr(0, dot));
        if (!value || value->is_null()) return nullptr;
        if (dot == std::string_view::npos) return value;
        inner = value->if_object();
        if (!inner) return nullptr;
        dotted.remove_prefix(dot + 1);
    }
}

std::string_view text_in(const json::object& object, std::string_view dotted) {
    const auto* value = value_in(object, dotted);
    return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

std::int64_t number_in(const json::object& object, std::string_view dotted, std::int64_t otherwise) {
    const auto* value = value_in(object, dotted);
    return value && value->is_int64() ? value->get_int64() : otherwise;
}

bool flag_in(const json::object& object, std::string_view dotted) {
    const auto* value = value_in(object, dotted);
    return value && value->is_bool() && value->get_bool();
}

const json::object* object_in(const json::object& object, std::string_view dotted) {
    const auto* value = value_in(object, dotted);
    return value ? value->if_object() : nullptr;
}

const json::array* list_in(const json::object& object, std::string_view dotted) {
    const auto* value = value_in(object, dotted);
    return value ? value->if_array() : nullptr;
}

json::object& make_object_in(json::object& object, std::string_view dotted) {
    auto* inner = &object;
    for (;;) {
        auto dot = dotted.find('.');
        auto& value = (*inner)[dotted.substr(0, dot)];
        if (!value.is_object()) value.emplace_object();
        inner = &value.get_object();
        if (dot == std::string_view::npos) return *inner;
        dotted.remove_prefix(dot + 1);
    }
}

std::string_view annotation_of(const json::object& object, std::string_view name) {
    const auto* annotations = object_in(object, "metadata.annotations");
    const auto* value = annotations ? annotations->if_contains(name) : nullptr;
    return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

bool is_going(const json::object& object) { return !text_in(object, "metadata.deletionTimestamp").empty(); }

bool has_finalizer(const json::object& object, std::string_view name) {
    const auto* list = list_in(object, "metadata.finalizers");
    return list && std::any_of(list->begin(), list->end(), [&](const json::value& value) {
               return value.is_string() && std::string_view(value.get_string()) == name;
           });
}

std::string name_key(const json::object& object) {
    auto space = text_in(object, "metadata.namespace"), name = text_in(object, "metadata.name");
    return space.empty() ? std::string(name) : std::string(space) + "/" + std::string(name);
}

Name name_of(std::string_view key) {
    auto slash = key.find('/');
    if (slash == std::string_view::npos) return {"", std::string(key)};
    return {std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

std::vector<Owner> owners_of(const json::object& object) {
    std::vector<Owner> owners;
    const auto* list = list_in(object, "metadata.ownerReferences");
    if (!list) return owners;
    for (const auto& value : *list) {
        const auto* one = value.if_object();
        if (!one) continue;
        owners.push_back({std::string(text_in(*one, "apiVersion")), std::string(text_in(*one, "kind")),
                          std::string(text_in(*one, "name")), std::string(text_in(*one, "uid")),
                          flag_in(*one, "controller"), flag_in(*one, "blockOwnerDeletion")});
    }
    return owners;
}

std::optional<Owner> controller_of(const json::object& object) {
    for (auto& owner : owners_of(object))
        if (owner.is_controller) return std::move(owner);
    return std::nullopt;
}

json::object reference_to(const json::object& owner, const schema::Kind& kind) {
    return {{"apiVersion", kind.group_version.text()}, {"kind", kind.name},  {"name", text_in(owner, "metadata.name")},
            {"uid", text_in(owner, "metadata.uid")},   {"controller", true}, {"blockOwnerDeletion", true}};
}

std::int64_t time_in(const json::object& object, std::string_view dotted) {
    auto text = text_in(object, dotted);
    if (text.empty()) return 0;
    auto time = codec::parse_time(text);
    return time ? *time : 0;
}

const json::object* find_condition(const json::object& status, std::string_view type) {
    const auto* list = list_in(status, "conditions");
    if (!list) return nullptr;
    for (const auto& value : *list)
        if (const auto* one = value.if_object(); one && text_in(*one, "type") == type) return one;
    return nullptr;
}

bool is_true(const json::object* condition) { return condition && text_in(*condition, "status") == "True"; }

void remove_condition(json::object& status, std::string_view type) {
    auto* value = status.if_contains("conditions");
    auto* list = value ? value->if_array() : nullptr;
    if (!list) return;
    list->erase(std::remove_if(list->begin(), list->end(),
                               [&](const json::value& one) {
                                   return one.is_object() && text_in(one.get_object(), "type") == type;
                               }),
                list->end());
}

std::int64_t scaled(const json::value* value, std::int64_t total, bool rounds_up) {
    if (!value) return 0;
    if (value->is_int64()) return value->get_int64();
    if (!value->is_string()) return 0;
    std::string_view text = value->get_string();
    if (!text.ends_with('%')) return parse_int(text).value_or(0);
    text.remove_suffix(1);
    auto percent = parse_int(text).value_or(0);
    return (percent * total + (rounds_up ? 99 : 0)) / 100;
}

namespace {

void append_sorted(std::string& out, const json::value& value) {
    if (const auto* object = value.if_object()) {
        std::vector<std::pair<std::string_view, const json::value*>> members;
        for (const auto& [name, member] : *object) members.emplace_back(name, &member);
        std::sort(members.begin(), members.end());
        out += '{';
        for (const auto& [name, member] : members) {
            append_json_quoted(out, name);
            out += ':';
            append_sorted(out, *member);
            out += ',';
        }
        out += '}';
    } else if (const auto* list = value.if_array()) {
        out += '[';
        for (const auto& element : *list) {
            append_sorted(out, element);
            out += ',';
        }
        out += ']';
    } else {
        out += codec::write_json(value);
    }
}

}  // namespace

std::string sorted_json(const json::value& value) {
    std::string out;
    append_sorted(out, value);
    return out;
}

std::string hash_of(const json::value& value, std::optional<std::int64_t> salt) {
    auto text = sorted_json(value);
    if (salt) text += std::to_string(*salt);
    std::uint32_t hash = 2166136261U;
    for (unsigned char byte : text) hash = (hash ^ byte) * 16777619U;
    static constexpr std::string_view letters = "bcdfghjklmnpqrstvwxz2456789";
    auto digits = std::to_string(hash);
    for (auto& digit : digits) digit = letters[static_cast<unsigned char>(digit) % letters.size()];
    return digits;
}

}  // namespace pila::cluster::controllers
