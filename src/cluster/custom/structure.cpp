// SPDX-License-Identifier: Apache-2.0
// What a structural schema is (k8s.io/apiextensions-apiserver/pkg/apiserver/schema says it in Go): every value has a
// type, and allOf, anyOf, oneOf and not only narrow what is said outside of them.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/custom/compile_internal.h"

namespace pila::cluster::custom {

namespace {

using kinds::find;
using kinds::flag_at;
using kinds::list_at;
using kinds::object_at;
using kinds::text_at;

enum class Level : std::uint8_t { Root, Item, Field };

struct Word {
    std::string_view field, text;
};

constexpr Word unsupported[] = {
    {"$ref", "$ref is not supported"},
    {"additionalItems", "additionalItems is not supported"},
    {"definitions", "definitions is not supported"},
    {"dependencies", "dependencies is not supported"},
    {"id", "id is not supported"},
    {"patternProperties", "patternProperties is not supported"},
};

constexpr Word not_below_junctors[] = {
    {"additionalProperties", "must be undefined to be structural"},
    {"default", "must be undefined to be structural"},
    {"description", "must be empty to be structural"},
    {"nullable", "must be false to be structural"},
    {"title", "must be empty to be structural"},
    {"type", "must be empty to be structural"},
    {"x-kubernetes-embedded-resource", "must be false to be structural"},
    {"x-kubernetes-int-or-string", "must be false to be structural"},
    {"x-kubernetes-list-map-keys", "must be empty to be structural"},
    {"x-kubernetes-list-type", "must be undefined to be structural"},
    {"x-kubernetes-map-type", "must be undefined to be structural"},
    {"x-kubernetes-preserve-unknown-fields", "must be false to be structural"},
};

bool says(const json::object& schema, std::string_view field) {
    const auto* value = find(schema, field);
    if (!value) return false;
    if (value->is_bool()) return value->get_bool();
    if (value->is_string()) return !value->get_string().empty();
    return !value->is_array() || !value->get_array().empty();
}

// anyOf: [{type: integer}, {type: string}], which may say types.
bool is_int_or_string(const json::array* list) {
    if (!list || list->size() != 2) return false;
    static const json::value first = {{"type", "integer"}}, second = {{"type", "string"}};
    return (*list)[0] == first && (*list)[1] == second;
}

bool is_scalar(const json::object& schema) {
    const auto type = text_at(schema, "type");
    return type != "object" && type != "array" && (!type.empty() || flag_at(schema, "x-kubernetes-int-or-string"));
}

class Check {
public:
    explicit Check(Findings& findings) : findings_(findings) {}

    void schema(const json::object& schema, Level level, const Path& path, int depth = 0) {
        if (depth > deepest_schema)
            return add(findings_.causes, kinds::forbidden_field(path.text(), "the schema is too deep"));
        forbidden_fields(schema, path);
        type(schema, level, path);
        lists(schema, path);
        if (level == Level::Root || flag_at(schema, "x-kubernetes-embedded-resource")) metadata(schema, level, path);
        each_property(schema, [&](std::string_view name, const json::object& property) {
            bool is_metadata = level == Level::Root && name == "metadata";
            if (!is_metadata) this->schema(property, Level::Field, path.key("properties", name), depth + 1);
        });
        if (const auto* items = object_at(schema, "items"))
            this->schema(*items, Level::Item, path.field("items"), depth + 1);
        if (const auto* values = object_at(schema, "additionalProperties"))
            this->schema(*values, Level::Field, path.field("additionalProperties"), depth + 1);
        junctors(schema, schema, path, path, true, depth);
        if (const auto* rules = list_at(schema, "x-kubernetes-validations"); rules && !rules->empty())
            findings_.warnings.push_back(path.text() + ".x-kubernetes-validations: not evaluated yet");
    }

private:
    void forbid(const Path& path, std::string_view field, std::string_view text) {
        add(findings_.causes, kinds::forbidden_field(path.field(field).text(), text));
    }
    void require(const Path& path, std::string_view text) { add(findings_.causes, kinds::required(path.text(), text)); }
    void refuse(const Path& path, std::string_view field, const json::value& value, std::string_view text) {
        add(findings_.causes, kinds::invalid_value(path.field(field).text(), kinds::value_text(value), text));
    }

    void forbidden_fields(const json::object& schema, const Path& path) {
        for (const auto& word : unsupported)
            if (says(schema, word.field)) forbid(path, word.field, word.text);
        if (flag_at(schema, "uniqueItems"))
            forbid(path, "uniqueItems",
                   "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
        const auto* values = find(schema, "additionalProperties");
        if (values && values->is_bool() && !values->get_bool())
            forbid(path, "additionalProperties", "additionalProperties cannot be set to false");
        if (values && kinds::has_items(schema, "properties"))
            forbid(path, "additionalProperties", "additionalProperties and properties are mutual exclusive");
        const auto* keeps = find(schema, "x-kubernetes-preserve-unknown-fields");
        if (keeps && keeps->is_bool() && !keeps->get_bool())
            refuse(path, "x-kubernetes-preserve-unknown-fields", *keeps, "must be true or undefined");
        pattern(schema, path);
    }

    void pattern(const json::object& schema, const Path& path) {
        const auto text = text_at(schema, "pattern");
        if (text.empty()) return;
        auto compiled = GoPattern::compile(text);
        if (!compiled)
            refuse(path, "pattern", json::value(text),
                   "must be a valid regular expression, but isn't: " + compiled.error().message());
    }

    void type(const json::object& schema, Level level, const Path& path) {
        const auto type = text_at(schema, "type");
        const bool either = flag_at(schema, "x-kubernetes-int-or-string");
        const bool is_embedded = flag_at(schema, "x-kubernetes-embedded-resource");
        const bool keeps = flag_at(schema, "x-kubernetes-preserve-unknown-fields");
        const Path at = path.field("type");
        if (is_embedded && type != "object")
            require(at, "must be object if x-kubernetes-embedded-resource is true");
        else if (type.empty() && !either && !keeps)
            require(at, level == Level::Root   ? "must not be empty at the root"
                        : level == Level::Item ? "must not be empty for specified array items"
                                               : "must not be empty for specified object fields");
        if (level == Level::Root && !type.empty() && type != "object")
            refuse(path, "type", json::value(type), "must be object at the root");
        if (either && !type.empty())
            refuse(path, "type", json::value(type), "must be empty if x-kubernetes-int-or-string is true");
        if (either && keeps)
            refuse(path, "x-kubernetes-preserve-unknown-fields", json::value(true),
                   "must be false if x-kubernetes-int-or-string is true");
        if (level == Level::Root && find(schema, "additionalProperties"))
            forbid(path, "additionalProperties", "must not be used at the root");
        const auto* items = find(schema, "items");
        if (items && items->is_array())
            forbid(path, "items", "items must be a schema object and not an array");
        else if (type == "array" && !items)
            require(path.field("items"), "must be specified");
    }

    void lists(const json::object& schema, const Path& path) {
        const auto kind = text_at(schema, "x-kubernetes-list-type");
        const auto type = text_at(schema, "type");
        const auto* keys = list_at(schema, "x-kubernetes-list-map-keys");
        const auto* items = object_at(schema, "items");
        if (!kind.empty() && type != "array")
            refuse(path, "type", json::value(type), "must be array if x-kubernetes-list-type is specified");
        if (!text_at(schema, "x-kubernetes-map-type").empty() && type != "object")
            refuse(path, "type", json::value(type), "must be object if x-kubernetes-map-type is specified");
        if (kind == "set" && items && !is_scalar(*items) && text_at(*items, "x-kubernetes-map-type") != "atomic" &&
            text_at(*items, "x-kubernetes-list-type") != "atomic")
            refuse(path, "items.x-kubernetes-map-type", json::value(text_at(*items, "x-kubernetes-map-type")),
                   "must be atomic as item of a list with x-kubernetes-list-type=set");
        if (keys && !keys->empty() && kind != "map")
            refuse(path, "x-kubernetes-list-type", json::value(kind),
                   "must be map if x-kubernetes-list-map-keys is non-empty");
        if (kind != "map") return;
        if (!keys || keys->empty())
            return require(path.field("x-kubernetes-list-map-keys"),
                           "must not be empty if x-kubernetes-list-type is map");
        if (items) list_keys(*keys, *items, path);
    }

    void list_keys(const json::array& keys, const json::object& items, const Path& path) {
        const auto* needed = list_at(items, "required");
        for (std::size_t index = 0; index < keys.size(); ++index) {
            const auto name = kinds::text_of(keys[index]);
            const auto* property = property_of(items, name);
            const Path at = path.item("x-kubernetes-list-map-keys", index);
            if (!property || !is_scalar(*property)) {
                add(findings_.causes,
                    kinds::invalid_value(at.text(), kinds::quoted(name),
                                         property ? "must be a scalar property of the list's items"
                                                  : "must be a name of a property of the list's items"));
                continue;
            }
            const bool is_needed = needed && std::find(needed->begin(), needed->end(), keys[index]) != needed->end();
            if (is_needed || find(*property, "default")) continue;
            const Path items_at = path.field("items");
            require(items_at.key("properties", name),
                    "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required "
                    "property");
        }
    }

    // Of the whole, and of objects within it.
    void metadata(const json::object& schema, Level level, const Path& path) {
        for (const auto& [name, type] :
             {std::pair{"kind", "string"}, std::pair{"apiVersion", "string"}, std::pair{"metadata", "object"}}) {
            const auto* property = property_of(schema, name);
            if (property && text_at(*property, "type") != type)
                refuse(path.key("properties", name), "type", json::value(text_at(*property, "type")),
                       std::string("must be ") + type);
        }
        if (level != Level::Root) {
            if (!kinds::has_items(schema, "properties") && !flag_at(schema, "x-kubernetes-preserve-unknown-fields"))
                require(path.field("properties"),
                        "must not be empty if x-kubernetes-embedded-resource is true without "
                        "x-kubernetes-preserve-unknown-fields");
            if (find(schema, "additionalProperties"))
                forbid(path, "additionalProperties", "must not be used if x-kubernetes-embedded-resource is set");
            return;
        }
        const auto* own = property_of(schema, "metadata");
        bool is_allowed = true;
        if (own) {
            each_property(*own, [&](std::string_view name, const json::object&) {
                is_allowed = is_allowed && (name == "name" || name == "generateName");
            });
            for (const auto& member : *own)
                is_allowed = is_allowed && (member.key() == "type" || member.key() == "properties" ||
                                            member.key() == "description" || !says(*own, member.key()));
        }
        if (!is_allowed)
            add(findings_.causes, kinds::forbidden_field(path.key("properties", "metadata").text(),
                                                         "must not specify anything other than name and generateName, "
                                                         "but metadata is implicitly specified"));
    }

    // `core`: what is said of the same value outside of all of them, at `core_path`.
    void junctors(const json::object& schema, const json::object& core, const Path& path, const Path& core_path,
                  bool is_outside, int depth) {
        for (auto name : {"allOf", "anyOf", "oneOf"}) {
            const auto* list = list_at(schema, name);
            if (std::string_view(name) == "anyOf" && is_int_or_string(list)) continue;
            kinds::each_object(list, [&](const json::object& part, std::size_t index) {
                if (std::string_view(name) == "allOf" && index == 0 && is_outside && part.size() == 1 &&
                    is_int_or_string(list_at(part, "anyOf")))
                    return;
                nested(part, core, path.item(name, index), core_path, depth + 1);
            });
        }
        if (const auto* part = object_at(schema, "not")) nested(*part, core, path.field("not"), core_path, depth + 1);
    }

    void nested(const json::object& schema, const json::object& core, const Path& path, const Path& core_path,
                int depth) {
        if (depth > deepest_schema)
            return add(findings_.causes, kinds::forbidden_field(path.text(), "the schema is too deep"));
        for (const auto& word : unsupported)
            if (says(schema, word.field)) forbid(path, word.field, word.text);
        for (const auto& word : not_below_junctors)
            if (says(schema, word.field)) forbid(path, word.field, word.text);
        pattern(schema, path);
        junctors(schema, core, path, core_path, false, depth);
        each_property(schema, [&](std::string_view name, const json::object& property) {
            const Path at = path.key("properties", name);
            if (name == "metadata")
                return add(findings_.causes,
                           kinds::forbidden_field(at.text(), "must not be specified in a nested context"));
            const auto* outside = property_of(core, name);
            if (!outside) outside = object_at(core, "additionalProperties");
            const Path outside_at = core_path.key("properties", name);
            if (!outside) return require(outside_at, "because it is defined in " + at.text());
            nested(property, *outside, at, outside_at, depth + 1);
        });
        if (const auto* items = object_at(schema, "items")) {
            const Path at = path.field("items"), outside_at = core_path.field("items");
            const auto* outside = object_at(core, "items");
            if (!outside) return require(outside_at, "because it is defined in " + at.text());
            nested(*items, *outside, at, outside_at, depth + 1);
        }
    }

    Findings& findings_;
};

}  // namespace

void check_structure(const json::object& schema, const Path& path, Findings& findings) {
    Check(findings).schema(schema, Level::Root, path);
}

}  // namespace pila::cluster::custom
