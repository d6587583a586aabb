// SPDX-License-Identifier: Apache-2.0
// Schemas as nodes and types: what is pruned, what is filled in, how apply merges it, what clients read of it.
#include <algorithm>

#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/custom/compile_internal.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::custom {

namespace {

using kinds::find;
using kinds::flag_at;
using kinds::object_at;
using kinds::text_at;
using schema::Constraints;
using schema::Field;
using schema::Form;
using schema::Node;
using schema::Type;

// apiVersion, kind and metadata of every object.
const Field& object_field(std::string_view name) {
    static const auto* const type = schema::Catalogue::builtin().find_type("io.k8s.api.core.v1.ConfigMap");
    return *type->find(name);
}

class Shapes {
public:
    Shapes(Store& store, Findings& findings) : store_(store), findings_(findings) {}

    const Type* message(const json::object& schema, const Constraints& constraints, const Path& path, bool is_object) {
        auto& type = store_.types.emplace_back();
        type.description = text_at(schema, "description");
        type.atomic = text_at(schema, "x-kubernetes-map-type") == "atomic";
        type.is_object = is_object;
        std::vector<Field> fields;
        each_property(schema, [&](std::string_view name, const json::object& property) {
            if (is_object && (name == "apiVersion" || name == "kind" || name == "metadata")) return;
            fields.push_back(field(name, property, constraints, path.key("properties", name)));
        });
        if (is_object)
            for (auto name : {"apiVersion", "kind", "metadata"}) fields.push_back(object_field(name));
        std::sort(fields.begin(), fields.end(),
                  [](const Field& left, const Field& right) { return left.name < right.name; });
        type.fields = std::move(fields);
        return &type;
    }

private:
    Field field(std::string_view name, const json::object& schema, const Constraints& parent, const Path& path) {
        const auto& constraints = parent.properties.find(name)->second;
        Field made;
        made.name = name;
        made.description = text_at(schema, "description");
        made.node = node(schema, constraints, path);
        made.required = std::find(parent.required.begin(), parent.required.end(), name) != parent.required.end();
        made.atomic = made.node.form == Form::Map && text_at(schema, "x-kubernetes-map-type") == "atomic";
        made.list = constraints.list;
        made.list_keys = constraints.list_keys;
        bool all_text = std::all_of(constraints.allowed.begin(), constraints.allowed.end(),
                                    [](const json::value& value) { return value.is_string(); });
        if (all_text)
            for (const auto& value : constraints.allowed) made.allowed.emplace_back(value.get_string());
        if (const auto* value = find(schema, "default"))
            made.default_json = read_default(*value, made.node, constraints, path.field("default"));
        return made;
    }

    Node node(const json::object& schema, const Constraints& constraints, const Path& path) {
        Node made;
        made.constraints = &constraints;
        made.nullable = constraints.is_nullable;
        made.keeps_unknown = flag_at(schema, "x-kubernetes-preserve-unknown-fields");
        const auto& type = constraints.type;
        if (constraints.is_int_or_string) {
            made.form = Form::IntOrString;
        } else if (type == "string") {
            made.form = Form::String;
        } else if (type == "integer") {
            made.form = constraints.format == "int32" ? Form::Int32 : Form::Int64;
        } else if (type == "number") {
            made.form = Form::Double;
        } else if (type == "boolean") {
            made.form = Form::Bool;
        } else if (type == "array") {
            made.form = Form::List;
            made.items = below(schema, "items", constraints.items.get(), path);
        } else if (type == "object" && find(schema, "additionalProperties")) {
            made.form = Form::Map;
            made.items = below(schema, "additionalProperties", constraints.values.get(), path);
        } else if (type == "object" || kinds::has_items(schema, "properties")) {  // without a type: anything else, too
            made.form = Form::Message;
            made.type = message(schema, constraints, path, constraints.is_embedded);
        }
        return made;
    }

    // Of a list or a map; no schema: anything.
    const Node* below(const json::object& schema, std::string_view name, const Constraints* constraints,
                      const Path& path) {
        const auto* inner = object_at(schema, name);
        Node made;
        if (inner && constraints) made = node(*inner, *constraints, path.field(name));
        return &store_.nodes.emplace_back(made);
    }

    // It must be what an object may have in this place once it was pruned and completed.
    std::string read_default(const json::value& given, const Node& node, const Constraints& constraints,
                             const Path& path) {
        json::value value(given, json::storage_ptr());
        codec::Faults faults;
        std::string why;
        if (auto fitted = codec::fit(value, node, faults); !fitted)
            why = fitted.error().message();
        else if (!faults.unknown.empty())
            why = "must be pruned: unknown field \"" + faults.unknown.front() + "\"";
        auto text = codec::write_json(value);
        if (!why.empty()) {
            add(findings_.causes, kinds::invalid_value(path.text(), kinds::value_text(given), why));
            return text;
        }
        codec::apply_defaults(value, node);
        check_value(value, constraints, path, findings_.causes);
        return text;
    }

    Store& store_;
    Findings& findings_;
};

}  // namespace

const Type* read_type(const json::object& schema, const Constraints& constraints, std::string_view kind,
                      const Path& path, Store& store, Findings& findings) {
    Shapes shapes(store, findings);
    const auto* type = shapes.message(schema, constraints, path, true);
    store.types.front().name = kind;  // the first one is the root's
    return type;
}

}  // namespace pila::cluster::custom
