// SPDX-License-Identifier: Apache-2.0
#include <bitset>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/codec/codec.h"

namespace pila::cluster::codec {

namespace {

using schema::Field;
using schema::Form;
using schema::Node;
using schema::Type;

// The text of a default was checked when its schema was read; most are short and of a plain form.
json::value parse_default(std::string_view text, const json::storage_ptr& memory) {
    if (text == "{}") return json::value(json::object_kind, memory);
    if (text.size() >= 2 && text.front() == '"' && text.find('\\') == text.npos)
        return json::value(text.substr(1, text.size() - 2), memory);
    if (text == "true" || text == "false") return json::value(text == "true", memory);
    if (auto number = parse_int(text)) return json::value(*number, memory);
    json::error_code error;
    json::parse_options options;
    options.max_depth = 128;  // of bodies, which definitions come in
    return json::parse(text, error, memory, options);
}

void walk(json::value& value, const Node& node, const Type* owner);

void walk_message(json::object& object, const Type& type) {
    constexpr std::size_t most_fields = 256;  // of any built-in type; custom ones may have more and are looked up
    std::bitset<most_fields> seen;
    for (auto& member : object) {
        const auto* field = type.find(std::string_view(member.key()));
        if (!field) continue;
        auto index = static_cast<std::size_t>(field - type.fields.data());
        if (index < most_fields) seen.set(index);
        if (member.value().is_structured()) walk(member.value(), field->node, &type);
    }
    for (std::size_t index = 0; index < type.fields.size(); ++index) {
        const auto& field = type.fields[index];
        if (field.default_json.empty()) continue;
        if (index < most_fields ? seen.test(index) : object.contains(field.name)) continue;
        auto& value = object.emplace(field.name, parse_default(field.default_json, object.storage())).first->value();
        if (value.is_structured()) walk(value, field.node, &type);
    }
}

void walk(json::value& value, const Node& node, const Type* owner) {
    switch (node.form) {
        case Form::Message:
            if (node.type && value.is_object()) walk_message(value.get_object(), *node.type);
            break;
        case Form::List:
            if (auto* array = value.if_array())
                for (auto& item : *array)
                    if (item.is_structured()) walk(item, *node.items, owner);
            break;
        case Form::Map:
            if (auto* object = value.if_object())
                for (auto& member : *object)
                    if (member.value().is_structured()) walk(member.value(), *node.items, owner);
            break;
        case Form::SchemaOrArray:
        case Form::SchemaOrBool:
        case Form::SchemaOrStrings:
            if (value.is_object()) walk_message(value.get_object(), *owner);
            if (auto* array = value.if_array())
                for (auto& item : *array)
                    if (item.is_object()) walk_message(item.get_object(), *owner);
            break;
        default: break;
    }
}

}  // namespace

void apply_defaults(json::value& object, const Node& node) { walk(object, node, nullptr); }

}  // namespace pila::cluster::codec
