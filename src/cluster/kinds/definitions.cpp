// SPDX-License-Identifier: Apache-2.0
// Custom resource definitions (names, versions; their schemas are checked where they are compiled) and aggregated APIs.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/text.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void names(const json::object& value, const Path& path, Report& report) {
    for (auto name : {"plural", "singular"})
        if (const auto text = text_at(value, name); !text.empty())
            report.each_invalid(path.field(name), text, dns_1035_label(text));
    for (auto name : {"kind", "listKind"})
        if (const auto text = text_at(value, name); !text.empty())
            for (const auto& fault : dns_1035_label(to_lower(text)))
                report.invalid(path.field(name), text, "may have mixed case, but should otherwise match: " + fault);
    if (!text_at(value, "kind").empty() && text_at(value, "kind") == text_at(value, "listKind"))
        report.invalid(path.field("listKind"), text_at(value, "listKind"), "kind and listKind may not be the same");
    for (auto name : {"shortNames", "categories"}) {
        const auto* list = list_at(value, name);
        for (std::size_t i = 0; list && i < list->size(); ++i)
            report.each_invalid(path.item(name, i), text_of((*list)[i]), dns_1035_label(text_of((*list)[i])));
    }
}

void check_versions(const json::object& spec, const Path& path, Report& report) {
    const auto* versions = list_at(spec, "versions");
    if (!versions || versions->empty()) return;
    std::set<std::string_view> seen;
    int stored = 0;
    bool any_served = false;
    each_object(versions, [&](const json::object& version, std::size_t i) {
        const Path at = path.item("versions", i);
        const auto name = text_at(version, "name");
        if (!name.empty()) report.each_invalid(at.field("name"), name, dns_1035_label(name));
        if (!seen.insert(name).second)
            report.invalid(path.field("versions"), json::value(*versions), "must contain unique version names");
        stored += flag_at(version, "storage") ? 1 : 0;
        any_served = any_served || flag_at(version, "served");
        const auto* schema = object_at(version, "schema");
        if (!schema || !has(*schema, "openAPIV3Schema"))
            report.required(at.field("schema.openAPIV3Schema"), "schemas are required");
        if (has(version, "deprecationWarning") && !flag_at(version, "deprecated"))
            report.invalid(at.field("deprecationWarning"), *find(version, "deprecationWarning"),
                           "can only be set for deprecated versions");
    });
    if (stored != 1)
        report.invalid(path.field("versions"), json::value(*versions),
                       "must have exactly one version marked as storage version");
    if (!any_served)
        report.invalid(path.field("versions"), json::value(*versions), "must have at least one version served");
}

void check_conversion(const json::object& spec, const Path& path, Report& report) {
    const auto* conversion = object_at(spec, "conversion");
    if (!conversion) return;
    const Path at = path.field("conversion");
    const bool has_webhook = has(*conversion, "webhook");
    if (text_at(*conversion, "strategy") != "Webhook") {
        if (has_webhook) report.forbidden(at.field("webhook"), "should not be set when strategy is not set to Webhook");
        return;
    }
    if (flag_at(spec, "preserveUnknownFields"))
        report.invalid(at.field("strategy"), "Webhook", "must be None if spec.preserveUnknownFields is true");
    const auto* webhook = object_at(*conversion, "webhook");
    if (!webhook || !has(*webhook, "clientConfig"))
        report.required(at.field("webhook.clientConfig"), "required when strategy is set to Webhook");
}

void definition_spec(const json::object& value, const Path& path, Report& report) {
    const auto group = text_at(value, "group");
    if (!group.empty()) {
        if (const auto faults = dns_subdomain(group); !faults.empty())
            report.invalid(path.field("group"), group, fmt::format("{}", fmt::join(faults, ",")));
        else if (group.find('.') == std::string_view::npos)
            report.invalid(path.field("group"), group, "should be a domain with at least one dot");
    }
    if (flag_at(value, "preserveUnknownFields"))
        report.invalid(path.field("preserveUnknownFields"), json::value(true),
                       "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                       "spec.versions[*].schema instead");
    check_versions(value, path, report);
    check_conversion(value, path, report);
}

void definition(const json::object& value, const Path& path, Report& report) {
    const auto *spec = object_at(value, "spec"), *metadata = object_at(value, "metadata");
    const auto* given = spec ? object_at(*spec, "names") : nullptr;
    if (!given || !metadata) return;
    const auto name = text_at(*metadata, "name");
    const auto wanted = fmt::format("{}.{}", text_at(*given, "plural"), text_at(*spec, "group"));
    if (name != wanted) report.invalid(path.field("metadata.name"), name, "must be spec.names.plural+\".\"+spec.group");
    const auto group = text_at(*spec, "group");
    const auto* notes = object_at(*metadata, "annotations");
    const bool is_protected = group == "k8s.io" || group == "kubernetes.io" || group.ends_with(".k8s.io") ||
                              group.ends_with(".kubernetes.io");
    if (is_protected && (!notes || text_at(*notes, "api-approved.kubernetes.io").empty()))
        report.required(path.key("metadata.annotations", "api-approved.kubernetes.io"),
                        "protected groups must have approval annotation \"api-approved.kubernetes.io\", see "
                        "https://github.com/kubernetes/enhancements/pull/1111");
}

void column(const json::object& value, const Path& path, Report& report) {
    const auto text = text_at(value, "jsonPath");
    if (!text.empty() && !text.starts_with('.'))
        report.invalid(path.field("jsonPath"), text, "must be a simple json path starting with .");
}

void scale(const json::object& value, const Path& path, Report& report) {
    struct Rule {
        std::string_view field, prefix, words;
    };
    constexpr Rule scale_rules[] = {
        {"specReplicasPath", ".spec.", "should be a json path under .spec"},
        {"statusReplicasPath", ".status.", "should be a json path under .status"},
    };
    for (const auto& rule : scale_rules)
        if (const auto text = text_at(value, rule.field); !text.empty() && !text.starts_with(rule.prefix))
            report.invalid(path.field(rule.field), text, rule.words);
    const auto selector = text_at(value, "labelSelectorPath");
    if (!selector.empty() && !selector.starts_with(".spec.") && !selector.starts_with(".status."))
        report.invalid(path.field("labelSelectorPath"), selector,
                       "should be a json path under either .spec or .status");
}

void api_service(const json::object& value, const Path& path, Report& report) {
    const auto *spec = object_at(value, "spec"), *metadata = object_at(value, "metadata");
    if (!spec || !metadata) return;
    const auto group = text_at(*spec, "group"), version = text_at(*spec, "version"), name = text_at(*metadata, "name");
    const auto wanted = fmt::format("{}.{}", version, group);
    if (name != wanted)
        report.invalid(path.field("metadata.name"), name,
                       fmt::format("must be `spec.version+\".\"+spec.group`: {}", quoted(wanted)));
    if (!group.empty()) report.each_invalid(path.field("spec.group"), group, dns_subdomain(group));
    report.each_invalid(path.field("spec.version"), version, dns_1035_label(version));
    const Path at = path.field("spec");
    const auto priority = integer_at(*spec, "groupPriorityMinimum").value_or(0);
    if (priority <= 0 || priority > 20000)
        report.invalid_number(at.field("groupPriorityMinimum"), priority, "must be positive and less than 20000");
    const auto own = integer_at(*spec, "versionPriority").value_or(0);
    if (own <= 0 || own > 1000)
        report.invalid_number(at.field("versionPriority"), own, "must be positive and less than 1000");
    const auto* service = object_at(*spec, "service");
    const bool insecure = flag_at(*spec, "insecureSkipTLSVerify"), has_bundle = !text_at(*spec, "caBundle").empty();
    if (!service) {
        if (has_bundle) report.invalid(at.field("caBundle"), "", "local APIServices may not have a caBundle");
        if (insecure)
            report.invalid(at.field("insecureSkipTLSVerify"), json::value(true),
                           "local APIServices may not have insecureSkipTLSVerify");
        return;
    }
    for (auto field : {"namespace", "name"})
        if (text_at(*service, field).empty()) {
            const Path service_at = at.field("service");
            report.required(service_at.field(field));
        }
    if (insecure && has_bundle)
        report.invalid(at.field("insecureSkipTLSVerify"), json::value(true), "may not be true if caBundle is present");
}

constexpr CheckRow rows[] = {
    {"apiextensions.v1.CustomResourceColumnDefinition", column},
    {"apiextensions.v1.CustomResourceDefinition", definition},
    {"apiextensions.v1.CustomResourceDefinitionNames", names},
    {"apiextensions.v1.CustomResourceDefinitionSpec", definition_spec},
    {"apiextensions.v1.CustomResourceSubresourceScale", scale},
    {"apiregistration.v1.APIService", api_service},
};

}  // namespace

std::span<const CheckRow> definition_checks() { return rows; }

}  // namespace pila::cluster::kinds
