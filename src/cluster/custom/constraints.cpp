// SPDX-License-Identifier: Apache-2.0
#include "cluster/schema/constraints.h"

#include <boost/json.hpp>

#include "cluster/custom/compile_internal.h"

namespace pila::cluster::custom {

namespace {

using kinds::find;
using kinds::flag_at;
using kinds::list_at;
using kinds::object_at;
using kinds::text_at;
using schema::Constraints;

std::optional<double> number_at(const json::object& schema, std::string_view name) {
    const auto* value = find(schema, name);
    if (!value || !value->is_number()) return std::nullopt;
    return value->to_number<double>();
}

void read_limits(const json::object& schema, Constraints& made) {
    made.minimum = number_at(schema, "minimum");
    made.maximum = number_at(schema, "maximum");
    made.multiple_of = number_at(schema, "multipleOf");
    made.above_minimum = flag_at(schema, "exclusiveMinimum");
    made.below_maximum = flag_at(schema, "exclusiveMaximum");
    made.min_length = kinds::integer_at(schema, "minLength");
    made.max_length = kinds::integer_at(schema, "maxLength");
    made.min_items = kinds::integer_at(schema, "minItems");
    made.max_items = kinds::integer_at(schema, "maxItems");
    made.min_properties = kinds::integer_at(schema, "minProperties");
    made.max_properties = kinds::integer_at(schema, "maxProperties");
    made.pattern_text = text_at(schema, "pattern");
    if (made.pattern_text.empty()) return;
    if (auto compiled = GoPattern::compile(made.pattern_text)) made.pattern = compiled.take();
}

std::vector<std::string> texts_at(const json::object& schema, std::string_view name) {
    std::vector<std::string> texts;
    if (const auto* list = list_at(schema, name))
        for (const auto& text : *list) texts.emplace_back(kinds::text_of(text));
    return texts;
}

std::vector<Constraints> parts_at(const json::object& schema, std::string_view name) {
    std::vector<Constraints> parts;
    kinds::each_object(list_at(schema, name),
                       [&](const json::object& part, std::size_t) { parts.push_back(read_constraints(part)); });
    return parts;
}

std::unique_ptr<Constraints> part_at(const json::object& schema, std::string_view name) {
    const auto* part = object_at(schema, name);
    return part ? std::make_unique<Constraints>(read_constraints(*part)) : nullptr;
}

}  // namespace

Constraints read_constraints(const json::object& schema) {
    Constraints made;
    made.type = text_at(schema, "type");
    made.format = text_at(schema, "format");
    made.is_nullable = flag_at(schema, "nullable");
    made.is_int_or_string = flag_at(schema, "x-kubernetes-int-or-string");
    made.is_embedded = flag_at(schema, "x-kubernetes-embedded-resource");
    read_limits(schema, made);
    if (const auto* allowed = list_at(schema, "enum"))
        for (const auto& value : *allowed) made.allowed.emplace_back(value, json::storage_ptr());
    made.required = texts_at(schema, "required");
    each_property(schema, [&](std::string_view name, const json::object& property) {
        made.properties.emplace(name, read_constraints(property));
    });
    made.items = part_at(schema, "items");
    made.values = part_at(schema, "additionalProperties");
    made.all_of = parts_at(schema, "allOf");
    made.any_of = parts_at(schema, "anyOf");
    made.one_of = parts_at(schema, "oneOf");
    made.none_of = part_at(schema, "not");
    const auto list = text_at(schema, "x-kubernetes-list-type");
    if (list == "set") made.list = schema::ListKind::Set;
    if (list == "map") made.list = schema::ListKind::Map;
    made.list_keys = texts_at(schema, "x-kubernetes-list-map-keys");
    return made;
}

}  // namespace pila::cluster::custom
