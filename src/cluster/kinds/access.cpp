// SPDX-License-Identifier: Apache-2.0
// Roles and their bindings, certificate requests, leases, bindings of pods, events.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"
#include "crypto/base64.h"

namespace pila::cluster::kinds {

namespace {

void policy_rule(const json::object& value, const Path& path, Report& report) {
    if (!has_items(value, "verbs")) report.required(path.field("verbs"), "verbs must contain at least one value");
    if (has_items(value, "nonResourceURLs")) {
        if (report.kind().is_namespaced)
            report.invalid(path.field("nonResourceURLs"), *find(value, "nonResourceURLs"),
                           "namespaced rules cannot apply to non-resource URLs");
        if (has_items(value, "apiGroups") || has_items(value, "resources") || has_items(value, "resourceNames"))
            report.invalid(path.field("nonResourceURLs"), *find(value, "nonResourceURLs"),
                           "rules cannot apply to both regular resources and non-resource URLs");
        return;
    }
    if (!has_items(value, "apiGroups"))
        report.required(path.field("apiGroups"), "resource rules must supply at least one api group");
    if (!has_items(value, "resources"))
        report.required(path.field("resources"), "resource rules must supply at least one resource");
}

void cluster_role(const json::object& value, const Path& path, Report& report) {
    const auto* aggregation = object_at(value, "aggregationRule");
    if (aggregation && !has_items(*aggregation, "clusterRoleSelectors"))
        report.required(path.field("aggregationRule.clusterRoleSelectors"),
                        "at least one clusterRoleSelector required if aggregationRule is non-nil");
}

void role_reference(const json::object& value, const Path& path, Report& report) {
    const auto kind = text_at(value, "kind"), name = text_at(value, "name");
    if (report.is("rbac.authorization.k8s.io", "ClusterRoleBinding") && kind == "Role")
        report.not_supported(path.field("kind"), kind, {"ClusterRole"});
    if (!name.empty()) report.each_invalid(path.field("name"), name, path_segment(name));
}

void subject(const json::object& value, const Path& path, Report& report) {
    const auto kind = text_at(value, "kind"), name = text_at(value, "name"), group = text_at(value, "apiGroup");
    if (kind == "ServiceAccount") {
        if (!name.empty()) report.each_invalid(path.field("name"), name, dns_subdomain(name));
        if (!group.empty()) report.not_supported(path.field("apiGroup"), group, {""});
        // Of a RoleBinding it is that of the binding.
        if (text_at(value, "namespace").empty()) report.required(path.field("namespace"));
    } else if (kind == "User" || kind == "Group") {
        if (group != "rbac.authorization.k8s.io")
            report.not_supported(path.field("apiGroup"), group, {"rbac.authorization.k8s.io"});
        if (!text_at(value, "namespace").empty())
            report.forbidden(path.field("namespace"), fmt::format("namespace may not be set on a {}", kind));
    }
}

constexpr std::string_view usages[] = {"signing",
                                       "digital signature",
                                       "content commitment",
                                       "key encipherment",
                                       "key agreement",
                                       "data encipherment",
                                       "cert sign",
                                       "crl sign",
                                       "encipher only",
                                       "decipher only",
                                       "any",
                                       "server auth",
                                       "client auth",
                                       "code signing",
                                       "email protection",
                                       "s/mime",
                                       "ipsec end system",
                                       "ipsec tunnel",
                                       "ipsec user",
                                       "timestamping",
                                       "ocsp signing",
                                       "microsoft sgc",
                                       "netscape sgc"};

void check_signer(std::string_view name, const Path& path, Report& report) {
    const auto slash = name.find('/');
    if (slash == std::string_view::npos || slash == 0 || slash + 1 == name.size())
        return report.invalid(path, name,
                              "must be a fully qualified domain and path of the form "
                              "'example.com/signer-name'");
    report.each_invalid(path, name, dns_subdomain(name.substr(0, slash)));
    if (name.size() > 571) report.too_long(path, 571);
}

void certificate_request(const json::object& value, const Path& path, Report& report) {
    if (const auto name = text_at(value, "signerName"); !name.empty())
        check_signer(name, path.field("signerName"), report);
    const auto request = crypto::base64_decode(text_at(value, "request"));
    if (!request || request->find("-----BEGIN CERTIFICATE REQUEST-----") == std::string::npos)
        report.invalid(path.field("request"), find(value, "request") ? *find(value, "request") : json::value(),
                       "PEM block type must be CERTIFICATE REQUEST");
    const auto* wanted = list_at(value, "usages");
    if (!wanted || wanted->empty()) report.required(path.field("usages"));
    std::set<std::string_view> seen;
    for (std::size_t i = 0; wanted && i < wanted->size(); ++i) {
        const auto usage = text_of((*wanted)[i]);
        const Path at = path.item("usages", i);
        if (std::find(std::begin(usages), std::end(usages), usage) == std::end(usages))
            report.add(not_supported(at.text(), usage, {std::begin(usages), std::end(usages)}));
        if (!seen.insert(usage).second) report.duplicate(at, usage);
    }
    const auto seconds = integer_at(value, "expirationSeconds");
    if (seconds && *seconds < 600)
        report.invalid_number(path.field("expirationSeconds"), *seconds,
                              "may not specify a duration less than 600 seconds (10 minutes)");
}

void lease_spec(const json::object& value, const Path& path, Report& report) {
    const auto duration = integer_at(value, "leaseDurationSeconds");
    if (duration && *duration <= 0)
        report.invalid_number(path.field("leaseDurationSeconds"), *duration, "must be greater than 0");
    report.not_negative(value, "leaseTransitions", path);
}

void binding(const json::object& value, const Path& path, Report& report) {
    const auto* target = object_at(value, "target");
    if (!target) return;
    const auto kind = text_at(*target, "kind");
    if (!kind.empty() && kind != "Node") report.not_supported(path.field("target.kind"), kind, {"Node", "<empty>"});
    if (text_at(*target, "name").empty()) report.required(path.field("target.name"));
}

// An event stands in the namespace of what it is about; those of cluster-wide things in "default".
void event(const json::object& value, const Path& path, Report& report) {
    const bool is_core = report.is("", "Event");
    const auto* about = object_at(value, is_core ? "involvedObject" : "regarding");
    const auto* metadata = object_at(value, "metadata");
    const auto space = metadata ? text_at(*metadata, "namespace") : std::string_view();
    const auto theirs = about ? text_at(*about, "namespace") : std::string_view();
    if (theirs.empty() ? space != "default" && space != "kube-system" && space != "" : theirs != space)
        report.invalid(path.field(is_core ? "involvedObject.namespace" : "regarding.namespace"), theirs,
                       "does not match event.namespace");
    if (is_core && !has(value, "eventTime")) return;
    for (auto [name, most] : {std::pair{"reason", 128U}, std::pair{is_core ? "message" : "note", 1024U},
                              std::pair{is_core ? "reportingComponent" : "reportingController", 253U},
                              std::pair{"reportingInstance", 128U}, std::pair{"action", 128U}})
        if (text_at(value, name).size() > most)
            report.invalid(path.field(name), "", fmt::format("can have at most {} characters", most));
}

void review_spec(const json::object& value, const Path& path, Report& report) {
    const bool resource = has(value, "resourceAttributes"), other = has(value, "nonResourceAttributes");
    if (resource && other)
        report.invalid(path.field("nonResourceAttributes"), *find(value, "nonResourceAttributes"),
                       "cannot be specified in combination with resourceAttributes");
    if (!resource && !other)
        report.invalid(path.field("resourceAttributes"), json::value(),
                       "exactly one of nonResourceAttributes or resourceAttributes must be specified");
}

void subject_review_spec(const json::object& value, const Path& path, Report& report) {
    review_spec(value, path, report);
    if (text_at(value, "user").empty() && !has_items(value, "groups"))
        report.invalid(path.field("user"), text_at(value, "user"), "at least one of user or group must be specified");
}

constexpr CheckRow rows[] = {
    {"authorization.v1.SelfSubjectAccessReviewSpec", review_spec},
    {"authorization.v1.SubjectAccessReviewSpec", subject_review_spec},
    {"certificates.v1.CertificateSigningRequestSpec", certificate_request},
    {"coordination.v1.LeaseSpec", lease_spec},
    {"core.v1.Binding", binding},
    {"core.v1.Event", event},
    {"events.v1.Event", event},
    {"rbac.v1.ClusterRole", cluster_role},
    {"rbac.v1.PolicyRule", policy_rule},
    {"rbac.v1.RoleRef", role_reference},
    {"rbac.v1.Subject", subject},
};

}  // namespace

std::span<const CheckRow> access_checks() { return rows; }

}  // namespace pila::cluster::kinds
