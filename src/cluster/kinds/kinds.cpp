// SPDX-License-Identifier: Apache-2.0
#include "cluster/kinds/kinds.h"

#include <algorithm>
#include <array>

#include "cluster/kinds/names.h"
#include "cluster/kinds/report.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::kinds {

namespace {

// Custom resources have their own schema with its own rules; from here they get those of metadata.
bool is_builtin(const schema::Kind& kind) {
    return kind.type && schema::Catalogue::builtin().find_type(kind.type->full_name) != nullptr;
}

struct NameRule {
    std::string_view group, kind;
    Faults (*check)(std::string_view name);
};

Faults short_subdomain(std::string_view name) {  // jobs of a CronJob add 11 characters to its name
    auto faults = dns_subdomain(name);
    if (faults.empty() && name.size() > 52) faults.push_back("must be no more than 52 characters");
    return faults;
}

Faults address_name(std::string_view name) {
    if (is_ip_address(name)) return {};
    return {std::string(not_an_ip)};
}

constexpr std::array<NameRule, 9> name_rules{{
    {"", "Namespace", dns_label},
    {"", "Service", dns_1035_label},
    {"apiregistration.k8s.io", "APIService", path_segment},
    {"batch", "CronJob", short_subdomain},
    {"networking.k8s.io", "IPAddress", address_name},
    {"rbac.authorization.k8s.io", "ClusterRole", path_segment},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", path_segment},
    {"rbac.authorization.k8s.io", "Role", path_segment},
    {"rbac.authorization.k8s.io", "RoleBinding", path_segment},
}};

struct KindName {
    std::string_view group, kind;
};

// Kinds whose updates must say which version they are based on.
constexpr std::array<KindName, 15> conditional{{
    {"admissionregistration.k8s.io", "MutatingWebhookConfiguration"},
    {"admissionregistration.k8s.io", "ValidatingAdmissionPolicy"},
    {"admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"},
    {"admissionregistration.k8s.io", "ValidatingWebhookConfiguration"},
    {"apiextensions.k8s.io", "CustomResourceDefinition"},
    {"apiregistration.k8s.io", "APIService"},
    {"coordination.k8s.io", "Lease"},
    {"flowcontrol.apiserver.k8s.io", "FlowSchema"},
    {"flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"},
    {"node.k8s.io", "RuntimeClass"},
    {"policy", "PodDisruptionBudget"},
    {"storage.k8s.io", "CSIDriver"},
    {"storage.k8s.io", "CSINode"},
    {"storage.k8s.io", "CSIStorageCapacity"},
    {"storage.k8s.io", "VolumeAttachment"},
}};

constexpr std::array<KindName, 10> created_by_update{{
    {"", "Endpoints"},
    {"", "Event"},
    {"", "LimitRange"},
    {"", "Service"},
    {"coordination.k8s.io", "Lease"},
    {"events.k8s.io", "Event"},
    {"rbac.authorization.k8s.io", "ClusterRole"},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding"},
    {"rbac.authorization.k8s.io", "Role"},
    {"rbac.authorization.k8s.io", "RoleBinding"},
}};

template <typename Rows>
auto find_kind(const Rows& rows, const schema::Kind& kind) {
    return std::find_if(rows.begin(), rows.end(), [&](const auto& row) {
        return row.group == kind.group_version.group && row.kind == kind.name;
    });
}

}  // namespace

void set_defaults(json::object& object, const schema::Kind& kind) {
    if (is_builtin(kind)) walk_defaults(object, *kind.type);
}

std::vector<Cause> validate(const json::object& object, const schema::Kind& kind) {
    Report report(object, kind, false);
    check_metadata(object, report);
    if (is_builtin(kind)) walk_checks(object, *kind.type, report);
    return report.take();
}

std::vector<Cause> validate_update(const json::object& object, const json::object& old, const schema::Kind& kind) {
    Report report(object, kind, true);
    check_metadata_update(object, old, report);
    check_metadata(object, report);
    if (!is_builtin(kind)) return report.take();
    walk_checks(object, *kind.type, report);
    if (const auto* row = find_updates(kind.type->full_name)) row->check(object, old, report);
    return report.take();
}

std::vector<Cause> validate_name(std::string_view name, const schema::Kind& kind, std::string_view field) {
    const auto rule = find_kind(name_rules, kind);
    std::vector<Cause> causes;
    for (const auto& fault : rule == name_rules.end() ? dns_subdomain(name) : rule->check(name))
        causes.push_back(invalid_value(std::string(field), quoted(name), fault));
    return causes;
}

bool allows_unconditional_update(const schema::Kind& kind) {
    return is_builtin(kind) && find_kind(conditional, kind) == conditional.end();
}

bool allows_create_on_update(const schema::Kind& kind) {
    return find_kind(created_by_update, kind) != created_by_update.end();
}

}  // namespace pila::cluster::kinds
