// SPDX-License-Identifier: Apache-2.0
#include "cluster/discovery/shapes_internal.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::discovery {

namespace {

using schema::Form;

struct KnownType {
    std::string_view name, type, format, description;
    Shape::Either either = Shape::Either::No;
};

// Types that are values to the schema, but definitions with names to clients (and to code made from them).
constexpr KnownType known_types[] = {
    {"io.k8s.apimachinery.pkg.api.resource.Quantity", "string", "",
     "An amount with a unit, like 100m, 1.5 or 2Gi: decimal (n u m k M G T P E) or binary (Ki Mi Gi Ti Pi Ei) units",
     Shape::Either::StringOrNumber},
    {"io.k8s.apimachinery.pkg.util.intstr.IntOrString", "string", "int-or-string",
     "A whole number or a text, like a port's name or a percentage", Shape::Either::IntegerOrString},
    {"io.k8s.apimachinery.pkg.apis.meta.v1.Time", "string", "date-time", "A time as in RFC 3339, to the second"},
    {"io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", "string", "date-time",
     "A time as in RFC 3339, to the microsecond"},
    {"io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", "object", "", "A set of fields, as a tree of names"},
    {"io.k8s.apimachinery.pkg.runtime.RawExtension", "object", "", "Any object"},
    {patch_name, "object", "", "A change of an object; its form is what the request's content type says"},
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON", "", "", "Any JSON value"},
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray", "", "",
     "A schema or a list of schemas"},
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool", "", "",
     "A schema, or whether anything goes"},
    {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray", "", "",
     "A schema or a list of names"},
};

std::string_view known_name(Form form) {
    switch (form) {
        case Form::Quantity: return known_types[0].name;
        case Form::IntOrString: return known_types[1].name;
        case Form::Time: return known_types[2].name;
        case Form::MicroTime: return known_types[3].name;
        case Form::Fields: return known_types[4].name;
        case Form::Object: return known_types[5].name;
        case Form::RawJson: return known_types[7].name;
        case Form::SchemaOrArray: return known_types[8].name;
        case Form::SchemaOrBool: return known_types[9].name;
        default: return known_types[10].name;
    }
}

Shape scalar(std::string_view type, std::string_view format = {}) {
    Shape shape;
    shape.type = type;
    shape.format = format;
    return shape;
}

// What apply and strategic merge do with the field.
void add_merging(Shape& shape, const schema::Field& field, bool custom) {
    if (field.node.form == Form::List) {
        if (field.list == schema::ListKind::Map) {
            std::string keys;
            for (const auto& key : field.list_keys) keys += (keys.empty() ? "" : ",") + json_quote(key);
            shape.extensions.emplace_back("x-kubernetes-list-map-keys", "[" + keys + "]");
            shape.extensions.emplace_back("x-kubernetes-list-type", "\"map\"");
        } else if (field.list == schema::ListKind::Set) {
            shape.extensions.emplace_back("x-kubernetes-list-type", "\"set\"");
        } else if (!custom) {
            shape.extensions.emplace_back("x-kubernetes-list-type", "\"atomic\"");
        }
    } else if (field.atomic) {
        shape.extensions.emplace_back("x-kubernetes-map-type", "\"atomic\"");
    }
    if (!field.merge_key.empty())
        shape.extensions.emplace_back("x-kubernetes-patch-merge-key", json_quote(field.merge_key));
    std::string strategy = field.merges ? "merge" : field.replaces ? "replace" : "";
    if (field.retains_keys) strategy += strategy.empty() ? "retainKeys" : ",retainKeys";
    if (!strategy.empty()) shape.extensions.emplace_back("x-kubernetes-patch-strategy", json_quote(strategy));
}

Shape& innermost(Shape& shape) {
    auto* inner = &shape;
    while (inner->items || inner->values) inner = inner->items ? inner->items.get() : inner->values.get();
    return *inner;
}

}  // namespace

std::string kind_json(const schema::GroupVersion& group_version, std::string_view kind) {
    return fmt::format(R"({{"group":{},"kind":{},"version":{}}})", json_quote(group_version.group), json_quote(kind),
                       json_quote(group_version.version));
}

std::string definition_name(const schema::Kind& kind) {
    if (!kind.type->full_name.empty()) return kind.type->full_name;
    auto parts = split(kind.group_version.group, '.');
    std::string name;
    for (auto part = parts.rbegin(); part != parts.rend(); ++part) name.append(*part) += '.';
    return name + kind.group_version.version + "." + kind.name;
}

std::string list_definition_name(const schema::Kind& kind) {
    auto name = definition_name(kind);
    return name.substr(0, name.rfind('.') + 1) + kind.list_kind();
}

void Definitions::add_version(const Version& version) {
    versions_.push_back(version.group_version);
    const auto& catalogue = schema::Catalogue::builtin();
    for (auto name : {delete_options_name, status_name}) need(*catalogue.find_type(name));
    refer_known(patch_name);
    for (const auto* kind : version.kinds) {
        add_kind(*kind);
        if (kind->has_verb("list")) add_list(*kind);
        for (const auto& subresource : kind->subresources)
            if (auto body = kind_of(*kind, subresource); body.type && body.type != kind->type) need(*body.type);
    }
}

const std::map<std::string, Shape>& Definitions::all() {
    while (!wanted_.empty()) {
        const auto* type = wanted_.back();
        wanted_.pop_back();
        made_[type->full_name] = of_type(*type);
    }
    if (auto options = made_.find(std::string(delete_options_name)); options != made_.end()) {
        std::string kinds;
        for (const auto& version : versions_) kinds += (kinds.empty() ? "" : ",") + kind_json(version, "DeleteOptions");
        options->second.extensions = {{kind_extension, "[" + kinds + "]"}};
    }
    return made_;
}

void Definitions::add_kind(const schema::Kind& kind) {
    if (!kind.type->full_name.empty()) return need(*kind.type);
    auto shape = of_type(*kind.type);
    // Every object has these, whether its definition's schema says so or not.
    const auto* known = schema::Catalogue::builtin().find_type("io.k8s.api.core.v1.ConfigMap");
    for (const char* name : {"apiVersion", "kind", "metadata"})
        if (!kind.type->find(name)) shape.properties.push_back({name, of_field(*known->find(name), false)});
    shape.extensions.emplace_back(kind_extension, "[" + kind_json(kind.group_version, kind.name) + "]");
    made_[definition_name(kind)] = std::move(shape);
}

void Definitions::add_list(const schema::Kind& kind) {
    auto text = [](std::string_view description) {
        auto shape = scalar("string");
        shape.description = description;
        return shape;
    };
    Shape list = scalar("object");
    list.description = "A list of objects of the kind " + kind.name;
    list.properties.push_back({"apiVersion", text("Group and version of the list")});
    Shape items = scalar("array");
    items.description = "The objects";
    items.items = std::make_unique<Shape>();
    items.items->ref = definition_name(kind);
    if (!kind.type->full_name.empty()) items.items->default_json = "{}";
    list.properties.push_back({"items", std::move(items)});
    list.properties.push_back({"kind", text("Always " + kind.list_kind())});
    auto metadata = refer(*schema::Catalogue::builtin().find_type("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"));
    metadata.description = "Facts about the list";
    metadata.default_json = "{}";
    list.properties.push_back({"metadata", std::move(metadata)});
    list.required = {"items"};
    list.extensions.emplace_back(kind_extension, "[" + kind_json(kind.group_version, kind.list_kind()) + "]");
    made_[list_definition_name(kind)] = std::move(list);
}

void Definitions::need(const schema::Type& type) {
    if (made_.try_emplace(type.full_name).second) wanted_.push_back(&type);
}

Shape Definitions::refer(const schema::Type& type) {
    need(type);
    Shape shape;
    shape.ref = type.full_name;
    return shape;
}

Shape Definitions::refer_known(std::string_view name) {
    Shape shape;
    shape.ref = name;
    auto [definition, is_new] = made_.try_emplace(shape.ref);
    if (!is_new) return shape;
    for (const auto& known : known_types) {
        if (known.name != name) continue;
        definition->second = scalar(known.type, known.format);
        definition->second.either = known.either;
        definition->second.description = known.description;
    }
    return shape;
}

Shape Definitions::of_type(const schema::Type& type) {
    bool custom = type.full_name.empty();
    Shape shape = scalar("object");
    shape.description = type.description;
    for (const auto& field : type.fields) {
        if (field.required) shape.required.push_back(field.name);
        shape.properties.push_back({field.name, of_field(field, custom)});
    }
    if (type.atomic) shape.extensions.emplace_back("x-kubernetes-map-type", "\"atomic\"");
    const auto* group_version = custom ? nullptr : group_version_of(type);
    if (group_version && (type.is_object || type.full_name == status_name))
        shape.extensions.emplace_back(kind_extension, "[" + kind_json(*group_version, type.name) + "]");
    return shape;
}

Shape Definitions::of_field(const schema::Field& field, bool custom) {
    auto shape = of_node(field.node, custom);
    if (!field.description.empty()) shape.description = field.description;
    shape.default_json = field.default_json;
    if (!field.allowed.empty()) innermost(shape).allowed = &field.allowed;
    add_merging(shape, field, custom);
    return shape;
}

Shape Definitions::of_node(const schema::Node& node, bool custom) {
    Shape shape;
    switch (node.form) {
        case Form::String: shape = scalar("string"); break;
        case Form::Int32: shape = scalar("integer", "int32"); break;
        case Form::Int64: shape = scalar("integer", "int64"); break;
        case Form::Double: shape = scalar("number", "double"); break;
        case Form::Bool: shape = scalar("boolean"); break;
        case Form::Bytes: shape = scalar("string", "byte"); break;
        case Form::Any: break;
        case Form::List:
        case Form::Map: {
            shape = scalar(node.form == Form::List ? "array" : "object");
            auto inner = std::make_unique<Shape>(node.items ? of_node(*node.items, custom) : Shape());
            if (!inner->ref.empty() && node.items->form == Form::Message) inner->default_json = "{}";
            (node.form == Form::List ? shape.items : shape.values) = std::move(inner);
            break;
        }
        case Form::Message: shape = node.type->full_name.empty() ? of_type(*node.type) : refer(*node.type); break;
        default: shape = of_special(node.form, custom); break;
    }
    shape.nullable = node.nullable;
    if (custom && node.form == Form::Message && node.type->is_object)
        shape.extensions.emplace_back("x-kubernetes-embedded-resource", "true");
    shape.keeps_unknown = node.keeps_unknown || (custom && node.form == Form::Any);
    if (shape.keeps_unknown) shape.extensions.emplace_back("x-kubernetes-preserve-unknown-fields", "true");
    return shape;
}

Shape Definitions::of_special(Form form, bool custom) {
    if (!custom) return refer_known(known_name(form));
    switch (form) {
        case Form::Time:
        case Form::MicroTime: return scalar("string", "date-time");
        case Form::Quantity: return scalar("string");
        case Form::IntOrString: {
            Shape shape;
            shape.extensions.emplace_back("x-kubernetes-int-or-string", "true");
            return shape;
        }
        default: return scalar("object");
    }
}

}  // namespace pila::cluster::discovery
