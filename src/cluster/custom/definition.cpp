// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/custom/compile_internal.h"

namespace pila::cluster::custom {

using kinds::find;
using kinds::flag_at;
using kinds::list_at;
using kinds::object_at;
using kinds::text_at;

struct Definition::Parts {
    struct Version {
        schema::Constraints constraints;
        Store store;
        schema::Custom custom;
        schema::Kind kind;
    };
    std::deque<Version> versions;
};

Definition::Definition() : parts_(std::make_unique<Parts>()) {}
Definition::~Definition() = default;

namespace {

const std::vector<std::string> all_verbs = {"create", "delete", "deletecollection", "get",
                                            "list",   "patch",  "update",           "watch"};
const std::vector<std::string> last_verbs = {"delete", "deletecollection", "get", "list", "patch", "update", "watch"};
const std::vector<std::string> part_verbs = {"get", "patch", "update"};

// ".spec.replicas" to "spec.replicas"
std::string dotted(std::string_view path) { return std::string(path.starts_with('.') ? path.substr(1) : path); }

std::vector<schema::Column> read_columns(const json::object& version) {
    std::vector<schema::Column> columns(1);
    columns[0].name = "Name";
    columns[0].type = "string";
    columns[0].format = "name";
    columns[0].path = "metadata.name";
    kinds::each_object(list_at(version, "additionalPrinterColumns"), [&](const json::object& column, std::size_t) {
        auto& made = columns.emplace_back();
        made.name = text_at(column, "name");
        made.type = text_at(column, "type");
        made.format = text_at(column, "format");
        made.path = text_at(column, "jsonPath");
        made.priority = static_cast<int>(kinds::integer_at(column, "priority").value_or(0));
    });
    if (columns.size() > 1) return columns;
    auto& age = columns.emplace_back();
    age.name = "Age";
    age.type = "date";
    age.path = ".metadata.creationTimestamp";
    return columns;
}

std::vector<std::string> read_selectable(const json::object& version) {
    std::vector<std::string> paths;
    kinds::each_object(list_at(version, "selectableFields"), [&](const json::object& field, std::size_t) {
        paths.push_back(dotted(text_at(field, "jsonPath")));
    });
    return paths;
}

}  // namespace

class Compiler {
public:
    Compiler(const json::object& definition, const Names& names, Findings& findings)
        : object_(definition), findings_(findings) {
        made_->names = names;
    }

    std::shared_ptr<const Definition> compile() {
        const auto *spec = object_at(object_, "spec"), *metadata = object_at(object_, "metadata");
        if (!spec || !metadata) {
            add(findings_.causes, kinds::required("spec"));
            return nullptr;
        }
        made_->name = text_at(*metadata, "name");
        made_->group = text_at(*spec, "group");
        made_->is_going = kinds::has(*metadata, "deletionTimestamp");
        check_conversion(*spec);
        const auto* versions = list_at(*spec, "versions");
        find_common(*spec, versions);
        kinds::each_object(versions, [&](const json::object& version, std::size_t index) {
            const Path at = spec_.item("versions", index);
            read_version(version, at);
        });
        if (!findings_.causes.empty()) return nullptr;
        std::stable_partition(made_->kinds.begin(), made_->kinds.end(),
                              [&](const schema::Kind* kind) { return kind->group_version.version == storage_; });
        return made_;
    }

private:
    void check_conversion(const json::object& spec) {
        const auto* conversion = object_at(spec, "conversion");
        const auto strategy = conversion ? text_at(*conversion, "strategy") : std::string_view();
        if (strategy == "Webhook")
            add(findings_.causes, kinds::not_supported("spec.conversion.strategy", strategy, {"None"}));
    }

    // What all versions share.
    void find_common(const json::object& spec, const json::array* versions) {
        is_namespaced_ = text_at(spec, "scope") == "Namespaced";
        kinds::each_object(versions, [&](const json::object& version, std::size_t) {
            if (flag_at(version, "storage")) storage_ = text_at(version, "name");
            for (auto& path : read_selectable(version))
                if (std::find(selectable_.begin(), selectable_.end(), path) == selectable_.end())
                    selectable_.push_back(std::move(path));
        });
    }

    // A version that is not served is checked all the same.
    void read_version(const json::object& version, const Path& path) {
        const auto* schema = object_at(version, "schema.openAPIV3Schema");
        if (!schema) return;  // reported already
        const Path schema_path = path.field("schema.openAPIV3Schema");
        const auto before = findings_.causes.size();
        check_structure(*schema, schema_path, findings_);
        if (findings_.causes.size() > before) return;
        auto& made = made_->parts_->versions.emplace_back();
        made.constraints = read_constraints(*schema);
        made.kind.type = read_type(*schema, made.constraints, made_->names.kind, schema_path, made.store, findings_);
        fill_kind(version, made.kind);
        fill_custom(version, made.custom, made.constraints, made.kind);
        made.kind.custom = &made.custom;
        check_selectable(version, made.constraints, path);
        if (flag_at(version, "served")) made_->kinds.push_back(&made.kind);
    }

    // They name scalars of the schema, outside of metadata.
    void check_selectable(const json::object& version, const schema::Constraints& root, const Path& path) {
        kinds::each_object(list_at(version, "selectableFields"), [&](const json::object& field, std::size_t index) {
            const auto given = text_at(field, "jsonPath");
            const auto* at = &root;
            const auto names = dotted(given);
            for (auto name : split(names, '.')) {
                const auto found = at->properties.find(name);
                at = found == at->properties.end() ? nullptr : &found->second;
                if (!at) break;
            }
            const bool is_scalar = at && (at->type == "string" || at->type == "integer" || at->type == "boolean");
            if (is_scalar && !given.starts_with(".metadata")) return;
            const Path here = path.item("selectableFields", index);
            add(findings_.causes, kinds::invalid_value(here.field("jsonPath").text(), kinds::quoted(given),
                                                       !given.starts_with(".metadata") && !at
                                                           ? "is an invalid path: does not refer to a valid field"
                                                       : at ? "must point to a field of type string, boolean or integer"
                                                            : "must not point to fields in metadata"));
        });
    }

    void fill_kind(const json::object& version, schema::Kind& kind) const {
        const auto& names = made_->names;
        kind.group_version = {made_->group, std::string(text_at(version, "name"))};
        kind.name = names.kind;
        kind.plural = names.plural;
        kind.singular = names.singular;
        kind.short_names = names.short_names;
        kind.categories = names.categories;
        kind.is_namespaced = is_namespaced_;
        kind.verbs = made_->is_going ? last_verbs : all_verbs;
        kind.columns = read_columns(version);
        const auto* parts = object_at(version, "subresources");
        if (parts && object_at(*parts, "scale")) kind.subresources.push_back({"scale", part_verbs, "Scale"});
        if (parts && object_at(*parts, "status")) kind.subresources.push_back({"status", part_verbs, ""});
    }

    void fill_custom(const json::object& version, schema::Custom& custom, const schema::Constraints& constraints,
                     const schema::Kind& kind) const {
        custom.constraints = &constraints;
        custom.storage_version = storage_;
        custom.list_kind = made_->names.list_kind;
        custom.is_going = made_->is_going;
        custom.selectable = read_selectable(version);
        custom.all_selectable = selectable_;
        if (flag_at(version, "deprecated")) {
            custom.deprecation = text_at(version, "deprecationWarning");
            if (custom.deprecation.empty())
                custom.deprecation = fmt::format("{} {} is deprecated", kind.group_version.text(), kind.name);
        }
        if (const auto* scale = object_at(version, "subresources.scale")) {
            custom.wanted_replicas = dotted(text_at(*scale, "specReplicasPath"));
            custom.counted_replicas = dotted(text_at(*scale, "statusReplicasPath"));
            custom.selector = dotted(text_at(*scale, "labelSelectorPath"));
        }
    }

    const json::object& object_;
    Findings& findings_;
    std::shared_ptr<Definition> made_ = std::make_shared<Definition>();
    const Path spec_{"spec"};
    std::string storage_;
    std::vector<std::string> selectable_;
    bool is_namespaced_ = false;
};

std::shared_ptr<const Definition> compile(const json::object& definition, const Names& names, Findings& findings) {
    return Compiler(definition, names, findings).compile();
}

}  // namespace pila::cluster::custom
