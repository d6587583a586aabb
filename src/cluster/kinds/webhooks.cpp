// SPDX-License-Identifier: Apache-2.0
// Admission webhooks and admission policies.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void check_domain(std::string_view name, const Path& path, Report& report) {
    if (name.empty()) return;
    if (const auto faults = dns_subdomain(name); !faults.empty())
        report.invalid(path, name, fmt::format("{}", fmt::join(faults, ",")));
    else if (std::count(name.begin(), name.end(), '.') < 2)
        report.invalid(path, name, "should be a domain with at least three segments separated by dots");
}

void check_versions(const json::object& value, const Path& path, Report& report) {
    const auto* versions = list_at(value, "admissionReviewVersions");
    if (!versions || versions->empty()) return;
    bool is_known = false;
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < versions->size(); ++i) {
        const auto version = text_of((*versions)[i]);
        const Path at = path.item("admissionReviewVersions", i);
        if (!seen.insert(version).second) report.invalid(at, version, "duplicate version");
        report.each_invalid(at, version, dns_1035_label(version));
        is_known = is_known || version == "v1" || version == "v1beta1";
    }
    if (!is_known)
        report.invalid(path.field("admissionReviewVersions"), json::value(*versions),
                       "must include at least one of v1, v1beta1");
}

void check_conditions(const json::object& value, const Path& path, Report& report) {
    const auto* conditions = list_at(value, "matchConditions");
    std::set<std::string_view> seen;
    each_object(conditions, [&](const json::object& condition, std::size_t i) {
        const Path at = path.item("matchConditions", i);
        const auto name = text_at(condition, "name");
        if (!name.empty()) check_label_key(name, at.field("name"), report);
        if (!name.empty() && !seen.insert(name).second) report.duplicate(at.field("name"), name);
    });
    if (conditions && conditions->size() > 64) report.too_many(path.field("matchConditions"), conditions->size(), 64);
}

void webhook(const json::object& value, const Path& path, Report& report) {
    check_domain(text_at(value, "name"), path.field("name"), report);
    const auto seconds = integer_at(value, "timeoutSeconds");
    if (seconds && (*seconds < 1 || *seconds > 30))
        report.invalid_number(path.field("timeoutSeconds"), *seconds,
                              "the timeout value must be between 1 and 30 seconds");
    check_versions(value, path, report);
    check_conditions(value, path, report);
}

void client_config(const json::object& value, const Path& path, Report& report) {
    const auto url = text_at(value, "url");
    if (url.empty() == !has(value, "service"))
        return report.required(path, "exactly one of url or service is required");
    if (!url.empty() && !url.starts_with("https://"))
        report.invalid(
            path.field("url"), url,
            fmt::format("'https' is the only allowed URL scheme{}", "; desired format: https://host[/path]"));
    if (!url.empty() && url.find_first_of("?#", 8) != std::string_view::npos)
        report.invalid(path.field("url"), url, "query parameters and fragments are not permitted in the URL");
}

void service_reference(const json::object& value, const Path& path, Report& report) {
    const auto place = text_at(value, "path");
    if (!place.empty() && !place.starts_with('/')) report.invalid(path.field("path"), place, "must start with a '/'");
    if (const auto port = integer_at(value, "port"))
        for (const auto& fault : port_number(*port))
            report.invalid_number(path.field("port"), *port, "port is not valid: " + fault);
}

void check_wildcard(const json::object& value, std::string_view name, const Path& path, Report& report) {
    const auto* list = list_at(value, name);
    if (!list || list->empty()) return report.required(path.field(name));
    if (list->size() > 1 && std::find(list->begin(), list->end(), "*") != list->end())
        report.invalid(
            path.field(name), json::value(*list),
            fmt::format("if '*' is present, must not specify other {}", name == "apiGroups"     ? "API groups"
                                                                        : name == "apiVersions" ? "API versions"
                                                                                                : name));
}

void rule(const json::object& value, const Path& path, Report& report) {
    for (auto name : {"operations", "apiGroups", "apiVersions"}) check_wildcard(value, name, path, report);
    if (!has_items(value, "resources")) report.required(path.field("resources"));
}

void policy_spec(const json::object& value, const Path& path, Report& report) {
    if (!object_at(value, "matchConstraints"))
        report.required(path.field("matchConstraints"));
    else if (!has_items(value, "matchConstraints.resourceRules"))
        report.required(path.field("matchConstraints.resourceRules"));
    if (!has_items(value, "validations") && !has_items(value, "auditAnnotations"))
        report.required(path.field("validations"), "validations or auditAnnotations must be specified");
    check_conditions(value, path, report);
}

void policy_binding_spec(const json::object& value, const Path& path, Report& report) {
    const auto name = text_at(value, "policyName");
    if (name.empty())
        report.required(path.field("policyName"));
    else
        report.each_invalid(path.field("policyName"), name, dns_subdomain(name));
    const auto* actions = list_at(value, "validationActions");
    if (!actions || actions->empty()) return report.required(path.field("validationActions"));
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < actions->size(); ++i)
        if (const auto action = text_of((*actions)[i]); !seen.insert(action).second)
            report.duplicate(path.item("validationActions", i), action);
    if (seen.contains("Deny") && seen.contains("Warn"))
        report.invalid(path.field("validationActions"), json::value(*actions),
                       "must not contain both Deny and Warn (repeating the same validation failure information in the "
                       "API response and headers serves no purpose)");
}

void parameter_reference(const json::object& value, const Path& path, Report& report) {
    const bool by_name = !text_at(value, "name").empty(), by_label = has(value, "selector");
    if (!by_name && !by_label) report.required(path, "one of name or selector must be specified");
    if (by_name && by_label) {
        report.forbidden(path.field("name"), "name and selector are mutually exclusive");
        report.forbidden(path.field("selector"), "name and selector are mutually exclusive");
    }
    if (text_at(value, "parameterNotFoundAction").empty()) report.required(path.field("parameterNotFoundAction"));
}

constexpr CheckRow rows[] = {
    {"admissionregistration.v1.MutatingWebhook", webhook},
    {"admissionregistration.v1.NamedRuleWithOperations", rule},
    {"admissionregistration.v1.ParamRef", parameter_reference},
    {"admissionregistration.v1.RuleWithOperations", rule},
    {"admissionregistration.v1.ServiceReference", service_reference},
    {"admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec", policy_binding_spec},
    {"admissionregistration.v1.ValidatingAdmissionPolicySpec", policy_spec},
    {"admissionregistration.v1.ValidatingWebhook", webhook},
    {"admissionregistration.v1.WebhookClientConfig", client_config},
    {"apiextensions.v1.ServiceReference", service_reference},
    {"apiextensions.v1.WebhookClientConfig", client_config},
};

}  // namespace

std::span<const CheckRow> webhook_checks() { return rows; }

}  // namespace pila::cluster::kinds
