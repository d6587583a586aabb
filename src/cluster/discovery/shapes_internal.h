// SPDX-License-Identifier: Apache-2.0
#pragma once
// Types as OpenAPI sees them, before they are written as v2 or v3, JSON or protobuf.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/discovery/groups_internal.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::discovery {

struct Property;

struct Shape {
    enum class Either : std::uint8_t { No, IntegerOrString, StringOrNumber };  // v2 cannot say it: a string there

    std::string ref;  // name of the definition that this is; the members below then only add to it
    std::string_view type, format;
    Either either = Either::No;
    bool nullable = false;
    bool keeps_unknown = false;  // v2 names no properties then: its readers would take all others for wrong
    std::string description;
    std::string default_json;
    const std::vector<std::string>* allowed = nullptr;
    std::vector<std::string_view> required;
    std::unique_ptr<Shape> items, values;  // of a list, of a map
    std::vector<Property> properties;
    std::vector<std::pair<std::string_view, std::string>> extensions;  // x-...: JSON

    bool adds_to_ref() const {
        return nullable || !description.empty() || !default_json.empty() || !extensions.empty();
    }
};

struct Property {
    std::string name;
    Shape shape;
};

// Definitions by full name, closed: whatever one of them refers to is there.
class Definitions {
public:
    void add_version(const Version& version);  // its kinds, their lists, bodies of subresources, what requests use
    const std::map<std::string, Shape>& all();

private:
    void add_kind(const schema::Kind& kind);
    void add_list(const schema::Kind& kind);
    void need(const schema::Type& type);
    Shape refer(const schema::Type& type);
    Shape refer_known(std::string_view name);
    Shape of_type(const schema::Type& type);
    Shape of_field(const schema::Field& field, bool custom);
    Shape of_node(const schema::Node& node, bool custom);
    Shape of_special(schema::Form form, bool custom);

    std::map<std::string, Shape> made_;
    std::vector<const schema::Type*> wanted_;  // referred to, not yet made
    std::vector<schema::GroupVersion> versions_;
};

// Names of definitions.
std::string definition_name(const schema::Kind& kind);  // a custom kind's: com.example.v1.Name
std::string list_definition_name(const schema::Kind& kind);
constexpr std::string_view delete_options_name = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
constexpr std::string_view status_name = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
constexpr std::string_view patch_name = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

// {"group":"apps","kind":"Deployment","version":"v1"}
std::string kind_json(const schema::GroupVersion& group_version, std::string_view kind);
constexpr std::string_view kind_extension = "x-kubernetes-group-version-kind";

}  // namespace pila::cluster::discovery
