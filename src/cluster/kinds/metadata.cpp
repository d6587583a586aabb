// SPDX-License-Identifier: Apache-2.0
// ObjectMeta: names, labels, annotations, owners, finalizers.
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "cluster/kinds/kinds.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

constexpr std::size_t most_annotation_bytes = 256U << 10;

bool is_builtin_finalizer(std::string_view name) {
    return name == "kubernetes" || name == "orphan" || name == "foregroundDeletion";
}

void check_owners(const json::object& metadata, const Path& path, Report& report) {
    const auto* owners = list_at(metadata, "ownerReferences");
    std::string_view controller;
    each_object(owners, [&](const json::object& owner, std::size_t i) {
        const Path at = path.item("ownerReferences", i);
        const auto version = text_at(owner, "apiVersion"), kind = text_at(owner, "kind");
        if (version.empty() || version.ends_with('/'))
            report.invalid(at.field("apiVersion"), version, "version must not be empty");
        for (auto name : {"kind", "name", "uid"})
            if (text_at(owner, name).empty()) report.invalid(at.field(name), "", "must not be empty");
        if (version == "v1" && kind == "Event")
            report.invalid(at, json::value(owner), "/v1, Kind=Event is disallowed from being an owner");
        if (!flag_at(owner, "controller")) return;
        const auto name = text_at(owner, "name");
        if (!controller.empty())
            report.invalid(path.field("ownerReferences"), json::value(*owners),
                           fmt::format("Only one reference can have Controller set to true. Found \"true\" in "
                                       "references for {} and {}",
                                       controller, name));
        controller = name;
    });
}

// Groups that are servers of their own in Kubernetes ask only for a qualified name, as custom resources do.
bool takes_any_finalizer(const schema::Kind& kind) {
    const auto& group = kind.group_version.group;
    return kind.custom || group == "apiextensions.k8s.io" || group == "apiregistration.k8s.io";
}

void check_finalizers(const json::object& metadata, const Path& path, Report& report) {
    const auto* finalizers = list_at(metadata, "finalizers");
    if (!finalizers) return;
    const Path at = path.field("finalizers");
    bool orphans = false, foreground = false;
    for (const auto& value : *finalizers) {
        const auto name = text_of(value);
        report.each_invalid(at, name, qualified_name(name));
        if (name.find('/') == name.npos && !is_builtin_finalizer(name) && !takes_any_finalizer(report.kind()))
            report.invalid(at, name, "name is neither a standard finalizer name nor is it fully qualified");
        orphans = orphans || name == "orphan";
        foreground = foreground || name == "foregroundDeletion";
    }
    if (orphans && foreground)
        report.invalid(at, json::value(*finalizers), "finalizer foregroundDeletion and orphan cannot be both set");
}

void check_namespace(const json::object& metadata, const Path& path, Report& report) {
    const auto name = text_at(metadata, "namespace");
    if (!report.kind().is_namespaced) {
        if (!name.empty()) report.forbidden(path.field("namespace"), "not allowed on this type");
    } else if (name.empty()) {
        report.required(path.field("namespace"));
    } else {
        report.each_invalid(path.field("namespace"), name, dns_label(name));
    }
}

void check_names(const json::object& metadata, const Path& path, Report& report) {
    const auto name = text_at(metadata, "name"), base = text_at(metadata, "generateName");
    if (!base.empty()) {
        // What is left of it with a tail in place of its last dash must be a name.
        auto masked = std::string(base);
        if (masked.size() > 1 && masked.back() == '-') masked.back() = 'a';
        for (auto& cause : validate_name(masked, report.kind(), "metadata.generateName")) report.add(std::move(cause));
    }
    if (name.empty())
        report.required(path.field("name"), "name or generateName is required");
    else
        for (auto& cause : validate_name(name, report.kind())) report.add(std::move(cause));
}

void check_fixed(const json::object& now, const json::object& old, std::string_view name, Report& report) {
    const auto *after = find(now, name), *before = find(old, name);
    if (before && !is_same(after, before)) {
        const Path path("metadata");
        report.invalid(path.field(name), after ? *after : json::value(""), "field is immutable");
    }
}

}  // namespace

void check_label_key(std::string_view key, const Path& path, Report& report) {
    report.each_invalid(path, key, qualified_name(key));
}

void check_labels(const json::object& parent, std::string_view name, const Path& path, Report& report) {
    const auto* labels = object_at(parent, name);
    if (!labels) return;
    for (const auto& label : *labels) {
        check_label_key(label.key(), path, report);
        const auto value = text_of(label.value());
        report.each_invalid(path, value, label_value(value));
    }
}

void check_annotations(const json::object& parent, std::string_view name, const Path& path, Report& report) {
    const auto* annotations = object_at(parent, name);
    if (!annotations) return;
    std::size_t size = 0;
    for (const auto& annotation : *annotations) {
        report.each_invalid(path, annotation.key(), qualified_name(to_lower(annotation.key())));
        size += annotation.key().size() + text_of(annotation.value()).size();
    }
    if (size > most_annotation_bytes) report.too_long(path, most_annotation_bytes);
}

void check_metadata(const json::object& object, Report& report) {
    static const json::object nothing;
    const auto* found = object_at(object, "metadata");
    const auto& metadata = found ? *found : nothing;
    const Path path("metadata");
    // Reviews and bindings are not kept: they need no name.
    if (report.kind().has_verb("get") || report.kind().verbs.empty()) check_names(metadata, path, report);
    check_namespace(metadata, path, report);
    report.not_negative(metadata, "generation", path);
    check_labels(metadata, "labels", path.field("labels"), report);
    check_annotations(metadata, "annotations", path.field("annotations"), report);
    check_owners(metadata, path, report);
    check_finalizers(metadata, path, report);
}

void check_metadata_update(const json::object& now_object, const json::object& old_object, Report& report) {
    static const json::object nothing;
    const auto *now_found = object_at(now_object, "metadata"), *old_found = object_at(old_object, "metadata");
    const auto &now = now_found ? *now_found : nothing, &old = old_found ? *old_found : nothing;
    for (auto name :
         {"name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"})
        check_fixed(now, old, name, report);
    if (!has(old, "deletionTimestamp")) return;
    const auto *finalizers = list_at(now, "finalizers"), *before = list_at(old, "finalizers");
    if (!finalizers) return;
    std::string added;
    for (const auto& name : *finalizers)
        if (!before || std::find(before->begin(), before->end(), name) == before->end())
            added += (added.empty() ? "" : ", ") + quoted(text_of(name));
    if (!added.empty())
        report.forbidden(Path("metadata.finalizers"),
                         fmt::format("no new finalizers can be added if the object is being deleted, found new "
                                     "finalizers []string{{{}}}",
                                     added));
}

}  // namespace pila::cluster::kinds
