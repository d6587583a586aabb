// SPDX-License-Identifier: Apache-2.0
// Defaults of pods and of what is in them (pkg/apis/core/v1/defaults.go of Kubernetes).
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

// No tag and no digest means "latest"; a digest alone has no tag.
bool is_latest(std::string_view image) {
    const auto digest = image.find('@');
    const auto name = image.substr(0, digest);
    if (name.empty()) return false;
    const auto slash = name.rfind('/');
    const auto colon = name.find(':', slash == std::string_view::npos ? 0 : slash);
    if (colon == std::string_view::npos) return digest == std::string_view::npos;
    return name.substr(colon + 1) == "latest";
}

void container(json::object& value) {
    set_empty(value, "imagePullPolicy", is_latest(text_at(value, "image")) ? "Always" : "IfNotPresent");
    set_empty(value, "terminationMessagePath", "/dev/termination-log");
    set_empty(value, "terminationMessagePolicy", "File");
}

void container_port(json::object& value) { set_empty(value, "protocol", "TCP"); }

void probe(json::object& value) {
    set_zero(value, "timeoutSeconds", 1);
    set_zero(value, "periodSeconds", 10);
    set_zero(value, "successThreshold", 1);
    set_zero(value, "failureThreshold", 3);
}

void http_get(json::object& value) {
    set_empty(value, "path", "/");
    set_empty(value, "scheme", "HTTP");
}

void pod_spec(json::object& value) {
    set_empty(value, "dnsPolicy", "ClusterFirst");
    set_empty(value, "restartPolicy", "Always");
    set_absent(value, "securityContext", json::object(value.storage()));
    set_absent(value, "terminationGracePeriodSeconds", 30);
    set_empty(value, "schedulerName", "default-scheduler");
    // The old name of the field follows the new one, and stands in for it.
    if (text_at(value, "serviceAccountName").empty()) {
        if (const auto old = std::string(text_at(value, "serviceAccount")); !old.empty())
            set_empty(value, "serviceAccountName", old);
    }
    if (const auto name = std::string(text_at(value, "serviceAccountName")); !name.empty())
        value.insert_or_assign("serviceAccount", name);
}

// What a container may use at most is what it asks for, unless it asks for less.
void requests_from_limits(json::object& container) {
    auto* resources = object_at(container, "resources");
    const auto* limits = resources ? object_at(*resources, "limits") : nullptr;
    if (!limits || limits->empty()) return;
    const json::object amounts(*limits);  // the requests may move it
    auto* requests = make_object(*resources, "requests");
    if (!requests) return;
    for (const auto& limit : amounts) set_absent(*requests, limit.key(), limit.value());
}

void ports_of_host(json::object& container) {
    each_object(list_at(container, "ports"), [](json::object& port) {
        if (const auto number = integer_at(port, "containerPort")) set_zero(port, "hostPort", *number);
    });
}

// Not of templates: the pods made of them get these when they are made.
void pod(json::object& value) {
    auto* spec = object_at(value, "spec");
    if (!spec) return;
    set_absent(*spec, "enableServiceLinks", true);
    const bool host_network = flag_at(*spec, "hostNetwork");
    for (auto list : {"containers", "initContainers"})
        each_object(list_at(*spec, list), [&](json::object& container) {
            requests_from_limits(container);
            if (host_network) ports_of_host(container);
        });
}

void volume(json::object& value) {
    for (const auto& member : value)
        if (member.key() != "name" && !member.value().is_null()) return;
    value.insert_or_assign("emptyDir", json::object(value.storage()));
}

void host_path(json::object& value) { set_absent(value, "type", ""); }
void default_mode(json::object& value) { set_absent(value, "defaultMode", 0644); }
void field_selector(json::object& value) { set_empty(value, "apiVersion", "v1"); }
void resource_selector(json::object& value) { set_absent(value, "divisor", "0"); }
void account_token(json::object& value) { set_absent(value, "expirationSeconds", 3600); }

void image_volume(json::object& value) {
    set_empty(value, "pullPolicy", is_latest(text_at(value, "reference")) ? "Always" : "IfNotPresent");
}

constexpr DefaultRow rows[] = {
    {"core.v1.ConfigMapVolumeSource", default_mode},
    {"core.v1.Container", container},
    {"core.v1.ContainerPort", container_port},
    {"core.v1.DownwardAPIVolumeSource", default_mode},
    {"core.v1.EphemeralContainer", container},
    {"core.v1.HTTPGetAction", http_get},
    {"core.v1.HostPathVolumeSource", host_path},
    {"core.v1.ImageVolumeSource", image_volume},
    {"core.v1.ObjectFieldSelector", field_selector},
    {"core.v1.Pod", pod},
    {"core.v1.PodSpec", pod_spec},
    {"core.v1.Probe", probe},
    {"core.v1.ProjectedVolumeSource", default_mode},
    {"core.v1.ResourceFieldSelector", resource_selector},
    {"core.v1.SecretVolumeSource", default_mode},
    {"core.v1.ServiceAccountTokenProjection", account_token},
    {"core.v1.Volume", volume},
};

}  // namespace

std::span<const DefaultRow> pod_defaults() { return rows; }

}  // namespace pila::cluster::kinds
