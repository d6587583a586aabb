// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "cluster/discovery/openapi_internal.h"

namespace pila::cluster::discovery {

namespace {

void write_type(JsonWriter& json, const Shape& shape, Dialect dialect) {
    if (dialect == Dialect::V3 && shape.either != Shape::Either::No) {
        json.key("oneOf").raw(shape.either == Shape::Either::IntegerOrString
                                  ? R"([{"type":"integer"},{"type":"string"}])"
                                  : R"([{"type":"string"},{"type":"number"}])");
    } else if (!shape.type.empty()) {
        json.member("type", shape.type);
    }
    if (!shape.format.empty()) json.member("format", shape.format);
}

void write_members(JsonWriter& json, const Shape& shape, Dialect dialect) {
    if (!shape.properties.empty()) {
        json.key("properties").begin('{');
        for (const auto& [name, property] : shape.properties) {
            json.key(name);
            write_shape(json, property, dialect);
        }
        json.end('}');
    }
    if (!shape.required.empty()) json.member_list("required", shape.required);
    if (shape.allowed) json.member_list("enum", *shape.allowed);
    if (shape.items) {
        json.key("items");
        write_shape(json, *shape.items, dialect);
    }
    if (shape.values) {
        json.key("additionalProperties");
        write_shape(json, *shape.values, dialect);
    }
}

std::string_view prefix(Dialect dialect) { return dialect == Dialect::V2 ? "#/definitions/" : "#/components/schemas/"; }

}  // namespace

void write_ref(JsonWriter& json, std::string_view definition, Dialect dialect) {
    json.begin('{').member("$ref", std::string(prefix(dialect)).append(definition)).end('}');
}

// Beside a $ref other members do not count (JSON reference): v3 wraps it in allOf. v2 has no such way out, its readers
// take the description beside it; its defaults and nulls are left out, as are Kubernetes' own.
void write_shape(JsonWriter& json, const Shape& shape, Dialect dialect) {
    bool is_v3 = dialect == Dialect::V3;
    if (!shape.ref.empty() && is_v3 && !shape.adds_to_ref()) return write_ref(json, shape.ref, dialect);
    json.begin('{');
    if (!shape.description.empty()) json.member("description", shape.description);
    if (is_v3 && !shape.default_json.empty()) json.key("default").raw(shape.default_json);
    if (is_v3 && shape.nullable) json.key("nullable").boolean(true);
    if (shape.ref.empty()) {
        write_type(json, shape, dialect);
        if (is_v3 || !shape.keeps_unknown) write_members(json, shape, dialect);
    } else if (is_v3) {
        json.key("allOf").begin('[');
        write_ref(json, shape.ref, dialect);
        json.end(']');
    } else {
        json.member("$ref", std::string(prefix(dialect)).append(shape.ref));
    }
    for (const auto& [name, value] : shape.extensions) json.key(name).raw(value);
    json.end('}');
}

void write_operation_head(JsonWriter& json, const Operation& operation, const Path& path) {
    json.member("operationId", operation.id);
    json.key("tags").begin('[').text(path.tag).end(']');
    json.member("x-kubernetes-action", operation.action);
    json.key(kind_extension).raw(kind_json(operation.group_version, operation.kind));
}

Definitions define_all(const std::vector<Group>& groups) {
    Definitions definitions;
    for (const auto& group : groups)
        for (const auto& version : group.versions) definitions.add_version(version);
    return definitions;
}

}  // namespace pila::cluster::discovery
