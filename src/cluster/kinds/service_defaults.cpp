// SPDX-License-Identifier: Apache-2.0
// Defaults of what connects and stores: services, endpoints, network policies, volumes, claims, storage classes.
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void session_affinity(json::object& spec) {
    set_empty(spec, "sessionAffinity", "None");
    const auto affinity = text_at(spec, "sessionAffinity");
    if (affinity == "None") {
        spec.erase("sessionAffinityConfig");
    } else if (affinity == "ClientIP") {
        if (auto* config = make_object(spec, "sessionAffinityConfig"))
            if (auto* client = make_object(*config, "clientIP")) set_absent(*client, "timeoutSeconds", 10800);
    }
}

// The families of a service of one stack. Its addresses are given out when it is written.
void families(json::object& spec) {
    const auto address = std::string(text_at(spec, "clusterIP"));
    if (!address.empty() && !has_items(spec, "clusterIPs"))
        spec.insert_or_assign("clusterIPs", json::array{json::value(address)});
    if (!has_items(spec, "ipFamilies")) {
        auto families = json::array{is_ipv6_address(address) ? "IPv6" : "IPv4"};
        if (const auto* addresses = list_at(spec, "clusterIPs"); addresses && addresses->size() == 2)
            families.emplace_back(families[0] == "IPv4" ? "IPv6" : "IPv4");
        spec.insert_or_assign("ipFamilies", std::move(families));
    }
    const auto* given = list_at(spec, "ipFamilies");
    set_empty(spec, "ipFamilyPolicy", given && given->size() == 2 ? "RequireDualStack" : "SingleStack");
}

void service(json::object& value) {
    auto* spec = object_at(value, "spec");
    if (!spec) return;
    session_affinity(*spec);
    set_empty(*spec, "type", "ClusterIP");
    const auto type = std::string(text_at(*spec, "type"));
    const bool is_outside = type == "NodePort" || type == "LoadBalancer";
    if (is_outside) set_empty(*spec, "externalTrafficPolicy", "Cluster");
    if (is_outside || type == "ClusterIP") {
        set_empty(*spec, "internalTrafficPolicy", "Cluster");
        families(*spec);
    }
    if (type == "LoadBalancer") set_absent(*spec, "allocateLoadBalancerNodePorts", true);
}

void service_port(json::object& value) {
    set_empty(value, "protocol", "TCP");
    const auto* target = find(value, "targetPort");
    const bool is_open = !target || (target->is_string() && target->get_string().empty()) ||
                         (target->is_number() && integer_of(*target) == 0);
    if (const auto port = integer_at(value, "port"); is_open && port) value.insert_or_assign("targetPort", *port);
}

void port_protocol(json::object& value) { set_empty(value, "protocol", "TCP"); }

void slice_port(json::object& value) {
    set_absent(value, "name", "");
    set_empty(value, "protocol", "TCP");
}

void network_policy(json::object& value) {
    if (has_items(value, "policyTypes")) return;
    auto types = json::array{"Ingress"};
    if (has_items(value, "egress")) types.emplace_back("Egress");
    value.insert_or_assign("policyTypes", std::move(types));
}

void ingress_class_parameters(json::object& value) { set_empty(value, "scope", "Cluster"); }

void volume(json::object& value) {
    if (auto* spec = object_at(value, "spec")) {
        set_empty(*spec, "persistentVolumeReclaimPolicy", "Retain");
        set_absent(*spec, "volumeMode", "Filesystem");
    }
    if (auto* status = make_object(value, "status")) set_empty(*status, "phase", "Pending");
}

void claim(json::object& value) {
    if (auto* status = make_object(value, "status")) set_empty(*status, "phase", "Pending");
}

void claim_spec(json::object& value) { set_absent(value, "volumeMode", "Filesystem"); }

void storage_class(json::object& value) {
    set_absent(value, "reclaimPolicy", "Delete");
    set_absent(value, "volumeBindingMode", "Immediate");
}

void storage_driver(json::object& value) {
    auto* spec = object_at(value, "spec");
    if (!spec) return;
    set_absent(*spec, "attachRequired", true);
    for (auto flag : {"podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"})
        set_absent(*spec, flag, false);
    set_empty(*spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    if (!has_items(*spec, "volumeLifecycleModes"))
        spec->insert_or_assign("volumeLifecycleModes", json::array{"Persistent"});
}

constexpr DefaultRow rows[] = {
    {"core.v1.EndpointPort", port_protocol},
    {"core.v1.PersistentVolume", volume},
    {"core.v1.PersistentVolumeClaim", claim},
    {"core.v1.PersistentVolumeClaimSpec", claim_spec},
    {"core.v1.Service", service},
    {"core.v1.ServicePort", service_port},
    {"discovery.v1.EndpointPort", slice_port},
    {"networking.v1.IngressClassParametersReference", ingress_class_parameters},
    {"networking.v1.NetworkPolicyPort", port_protocol},
    {"networking.v1.NetworkPolicySpec", network_policy},
    {"storage.v1.CSIDriver", storage_driver},
    {"storage.v1.StorageClass", storage_class},
};

}  // namespace

std::span<const DefaultRow> service_defaults() { return rows; }

}  // namespace pila::cluster::kinds
