// SPDX-License-Identifier: Apache-2.0
// What may not change of everything that runs no pods.
#include <algorithm>

#include <fmt/format.h>

#include "cluster/kinds/resources.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void check_sealed(const json::object& now, const json::object& old, std::initializer_list<std::string_view> names,
                  Report& report) {
    if (!flag_at(old, "immutable")) return;
    constexpr std::string_view words = "field is immutable when `immutable` is set";
    if (!flag_at(now, "immutable")) report.forbidden(Path("immutable"), words);
    for (auto name : names)
        if (!is_same(find(now, name), find(old, name))) report.forbidden(Path(name), words);
}

void config_map(const json::object& now, const json::object& old, Report& report) {
    check_sealed(now, old, {"data", "binaryData"}, report);
}

void secret(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "type");
    check_sealed(now, old, {"data"}, report);
}

// The first address (and its family) stays, unless the service was or becomes one by name only.
void service(const json::object& now, const json::object& old, Report& report) {
    const auto *after = object_at(now, "spec"), *before = object_at(old, "spec");
    if (!after || !before) return;
    if (text_at(*after, "type") == "ExternalName" || text_at(*before, "type") == "ExternalName") return;
    for (auto name : {"clusterIPs", "ipFamilies"}) {
        const auto *given = list_at(*after, name), *had = list_at(*before, name);
        if (!had || had->empty()) continue;
        const Path path("spec");
        if (!given || given->empty() || (*given)[0] != (*had)[0])
            report.invalid(path.item(name, 0), given ? json::value(*given) : json::value(), "may not change once set");
        else if (given->size() > 1 && had->size() > 1 && (*given)[1] != (*had)[1])
            report.invalid(path.item(name, 1), json::value(*given), "may not change once set");
    }
    if (text_at(*after, "type") == "LoadBalancer" && text_at(*before, "type") == "LoadBalancer") {
        report.unchanged(now, old, "spec.loadBalancerClass", "may not change once set");
        if (integer_at(*before, "healthCheckNodePort").value_or(0) != 0 &&
            text_at(*after, "externalTrafficPolicy") == "Local" && text_at(*before, "externalTrafficPolicy") == "Local")
            report.unchanged(now, old, "spec.healthCheckNodePort");
    }
}

bool is_bound(const json::object& claim) {
    const auto* status = object_at(claim, "status");
    return status && text_at(*status, "phase") == "Bound";
}

void claim(const json::object& now, const json::object& old, Report& report) {
    const auto *after = object_at(now, "spec"), *before = object_at(old, "spec");
    if (!after || !before) return;
    const bool binds = text_at(*before, "volumeName").empty(), classes = !has(*before, "storageClassName");
    json::object rest(*after), old_rest(*before);
    if (binds) rest.erase("volumeName"), old_rest.erase("volumeName");
    if (classes) rest.erase("storageClassName");
    const auto *wanted = object_at(*after, "resources.requests"), *had = object_at(*before, "resources.requests");
    if (is_bound(now)) {
        for (auto* spec : {&rest, &old_rest}) {
            if (auto* requests = object_at(*spec, "resources.requests")) requests->erase("storage");
            spec->erase("volumeAttributesClassName");
        }
    }
    if (!is_same(rest, old_rest))
        report.forbidden(Path("spec"),
                         "spec is immutable after creation except resources.requests and volumeAttributesClassName "
                         "for bound claims");
    const auto* capacity = object_at(old, "status.capacity");
    if (wanted && had && compare_amounts(*wanted, "storage", *had, "storage").value_or(0) < 0 &&
        (!capacity || compare_amounts(*wanted, "storage", *capacity, "storage").value_or(-1) <= 0))
        report.forbidden(Path("spec.resources.requests.storage"), "field can not be less than status.capacity");
}

void volume(const json::object& now, const json::object& old, Report& report) {
    const auto *after = object_at(now, "spec"), *before = object_at(old, "spec");
    if (!after || !before) return;
    const std::initializer_list<std::string_view> not_source{
        "accessModes",      "capacity",     "claimRef",
        "mountOptions",     "nodeAffinity", "persistentVolumeReclaimPolicy",
        "storageClassName", "volumeMode",   "volumeAttributesClassName"};
    if (!is_same(*after, *before, not_source))
        report.forbidden(Path("spec.persistentvolumesource"),
                         "spec.persistentvolumesource is immutable after creation");
    if (!is_same(find(*after, "volumeMode"), find(*before, "volumeMode")))
        report.invalid(Path("volumeMode"), text_at(*after, "volumeMode"), "field is immutable");
    if (has(*before, "nodeAffinity") && !is_same(find(*after, "nodeAffinity"), find(*before, "nodeAffinity")))
        report.invalid(Path("nodeAffinity"), *find(*before, "nodeAffinity"), "field is immutable");
}

void node(const json::object& now, const json::object& old, Report& report) {
    const auto *after = object_at(now, "spec"), *before = object_at(old, "spec");
    static const json::object nothing;
    if (!before) return;
    const auto& given = after ? *after : nothing;
    if (has_items(*before, "podCIDRs") && !is_same(find(given, "podCIDRs"), find(*before, "podCIDRs")))
        report.forbidden(Path("spec.podCIDRs"), "node updates may not change podCIDR except from \"\" to valid");
    if (!text_at(*before, "providerID").empty() && text_at(given, "providerID") != text_at(*before, "providerID"))
        report.forbidden(Path("spec.providerID"), "node updates may not change providerID except from \"\" to valid");
}

void storage_class(const json::object& now, const json::object& old, Report& report) {
    for (auto name : {"parameters", "provisioner", "reclaimPolicy"})
        if (!is_same(find(now, name), find(old, name)))
            report.forbidden(Path(name), fmt::format("updates to {} are forbidden.", name));
    report.unchanged(now, old, "volumeBindingMode");
}

void role_binding(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "roleRef", "cannot change roleRef");
}

void runtime_class(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "handler");
}

void priority_class(const json::object& now, const json::object& old, Report& report) {
    if (integer_at(now, "value").value_or(0) != integer_at(old, "value").value_or(0))
        report.forbidden(Path("value"), "may not be changed in an update.");
    report.unchanged(now, old, "preemptionPolicy");
}

void quota(const json::object& now, const json::object& old, Report& report) {
    const auto *after = list_at(now, "spec.scopes"), *before = list_at(old, "spec.scopes");
    auto contains = [](const json::array* list, const json::value& value) {
        return list && std::find(list->begin(), list->end(), value) != list->end();
    };
    auto covers = [&](const json::array* outer, const json::array* inner) {
        return !inner ||
               std::all_of(inner->begin(), inner->end(), [&](const auto& one) { return contains(outer, one); });
    };
    if (!covers(after, before) || !covers(before, after))
        report.invalid(Path("spec.scopes"), after ? json::value(*after) : json::value(), "field is immutable");
}

void slice(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "addressType");
}

void ingress_class(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "spec.controller");
}

void certificate_request(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "spec");
}

void definition(const json::object& now, const json::object& old, Report& report) {
    for (auto name : {"spec.group", "spec.names.plural", "spec.scope", "spec.names.kind"})
        report.unchanged(now, old, name);
}

void driver(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "spec.attachRequired");
    report.unchanged(now, old, "spec.volumeLifecycleModes");
}

void attachment(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "spec");
}

void address(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "spec.parentRef");
}

constexpr UpdateRow rows[] = {
    {"apiextensions.v1.CustomResourceDefinition", definition},
    {"certificates.v1.CertificateSigningRequest", certificate_request},
    {"core.v1.ConfigMap", config_map},
    {"core.v1.Node", node},
    {"core.v1.PersistentVolume", volume},
    {"core.v1.PersistentVolumeClaim", claim},
    {"core.v1.ResourceQuota", quota},
    {"core.v1.Secret", secret},
    {"core.v1.Service", service},
    {"discovery.v1.EndpointSlice", slice},
    {"networking.v1.IPAddress", address},
    {"networking.v1.IngressClass", ingress_class},
    {"node.v1.RuntimeClass", runtime_class},
    {"rbac.v1.ClusterRoleBinding", role_binding},
    {"rbac.v1.RoleBinding", role_binding},
    {"scheduling.v1.PriorityClass", priority_class},
    {"storage.v1.CSIDriver", driver},
    {"storage.v1.StorageClass", storage_class},
    {"storage.v1.VolumeAttachment", attachment},
};

}  // namespace

std::span<const UpdateRow> other_updates() { return rows; }

}  // namespace pila::cluster::kinds
