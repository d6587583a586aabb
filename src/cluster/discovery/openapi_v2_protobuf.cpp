// SPDX-License-Identifier: Apache-2.0
// Field numbers: gnostic, openapiv2/OpenAPIv2.proto.
#include "cluster/discovery/openapi_internal.h"

namespace pila::cluster::discovery {

namespace {

class Message {
public:
    Message& bytes(unsigned number, std::string_view value) {
        varint(number << 3U | 2U);
        varint(value.size());
        out_ += value;
        return *this;
    }
    Message& boolean(unsigned number, bool value) {
        varint(number << 3U);
        varint(value ? 1 : 0);
        return *this;
    }
    Message& message(unsigned number, const Message& inner) { return bytes(number, inner.out_); }
    Message& if_any(unsigned number, std::string_view value) { return value.empty() ? *this : bytes(number, value); }

    std::string take() { return std::move(out_); }

private:
    void varint(std::size_t value) {
        for (; value >= 0x80; value >>= 7U) out_ += static_cast<char>(value | 0x80U);
        out_ += static_cast<char>(value);
    }

    std::string out_;
};

// NamedSchema, NamedPathItem, ...: a name and a value.
Message named(std::string_view name, const Message& value) {
    Message made;
    made.bytes(1, name).message(2, value);
    return made;
}

// Any: JSON is YAML, too.
Message any(std::string_view json) {
    Message made;
    made.bytes(2, json);
    return made;
}

Message schema_of(const Shape& shape);

void add_members(Message& made, const Shape& shape) {
    for (auto name : shape.required) made.bytes(19, name);
    if (shape.allowed)
        for (const auto& value : *shape.allowed) made.message(20, any(json_quote(value)));
    if (shape.values) made.message(21, Message().message(1, schema_of(*shape.values)));
    if (shape.items) made.message(23, Message().message(1, schema_of(*shape.items)));
    if (!shape.properties.empty()) {
        Message properties;
        for (const auto& [name, property] : shape.properties) properties.message(1, named(name, schema_of(property)));
        made.message(25, properties);
    }
}

Message schema_of(const Shape& shape) {
    Message made;
    if (!shape.ref.empty()) made.bytes(1, "#/definitions/" + shape.ref);
    made.if_any(2, shape.format).if_any(4, shape.description);
    if (!shape.keeps_unknown) add_members(made, shape);
    if (!shape.type.empty()) made.message(22, Message().bytes(1, shape.type));
    for (const auto& [name, value] : shape.extensions) made.message(31, named(name, any(value)));
    return made;
}

Message query_parameter(const Parameter& parameter) {
    Message query;
    query.bytes(2, parameter.in).bytes(4, parameter.name).bytes(6, parameter.type);
    return Message().message(1, Message().message(2, Message().message(3, query)));
}

Message operation_of(const Operation& operation) {
    Message made;
    made.bytes(5, operation.id);
    for (auto key : operation.parameters) made.message(8, query_parameter(parameter(key)));
    Message response;
    response.bytes(1, "OK");
    made.message(9, Message().message(1, named("200", Message().message(1, response))));
    made.message(13, named(kind_extension, any(kind_json(operation.group_version, operation.kind))));
    return made;
}

}  // namespace

std::string write_openapi_v2_protobuf(const std::vector<Group>& groups, std::string_view title_version) {
    Message paths;
    for (const auto& group : groups)
        for (const auto& version : group.versions)
            for (const auto& path : paths_of(version))
                for (const auto& operation : path.operations)
                    if (operation.action == "patch")
                        paths.message(2, named(path.path, Message().message(8, operation_of(operation))));
    Message definitions;
    auto defined = define_all(groups);
    for (const auto& [name, shape] : defined.all()) definitions.message(1, named(name, schema_of(shape)));

    Message document;
    document.bytes(1, "2.0").message(2, Message().bytes(1, "Kubernetes").bytes(2, title_version));
    return document.message(8, paths).message(9, definitions).take();
}

}  // namespace pila::cluster::discovery
