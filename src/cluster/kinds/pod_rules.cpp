// SPDX-License-Identifier: Apache-2.0
// Pods as a whole, and templates of pods.
#include <algorithm>
#include <limits>
#include <set>

#include <fmt/core.h>

#include "cluster/kinds/containers.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

PodContext context_of(const json::object& spec) {
    PodContext pod{.spec = spec,
                   .volumes = {},
                   .grace = integer_at(spec, "terminationGracePeriodSeconds"),
                   .restart_policy = text_at(spec, "restartPolicy"),
                   .host_users = true};
    each_object(list_at(spec, "volumes"), [&](const json::object& volume, std::size_t) {
        pod.volumes.emplace(text_at(volume, "name"), &volume);
    });
    if (const auto* users = find(spec, "hostUsers"); users && users->is_bool()) pod.host_users = users->get_bool();
    return pod;
}

bool is_sidecar(const json::object& container) { return text_at(container, "restartPolicy") == "Always"; }

void check_unmasked(const json::object& container, const PodContext& pod, const Path& path, Report& report) {
    const auto* security = object_at(container, "securityContext");
    if (security && pod.host_users && text_at(*security, "procMount") == "Unmasked")
        report.invalid(path.field("securityContext.procMount"), "Unmasked",
                       "`hostUsers` must be false to use `Unmasked`");
}

void check_common(const json::object& container, const PodContext& pod, const Path& path, Report& report) {
    check_mounts(container, pod, path, report);
    check_resize_policy(container, pod, path, report);
    check_unmasked(container, pod, path, report);
}

using Seen = std::set<std::string_view>;

void check_host_ports(const json::object& container, std::set<std::string>& taken, const Path& path, Report& report) {
    each_object(list_at(container, "ports"), [&](const json::object& port, std::size_t i) {
        const auto number = integer_at(port, "hostPort").value_or(0);
        if (number == 0) return;
        const Path at = path.item("ports", i);
        auto key = fmt::format("{}/{}/{}", text_at(port, "protocol"), text_at(port, "hostIP"), number);
        if (!taken.insert(key).second) report.duplicate(at.field("hostPort"), key);
    });
}

// A pod's port is the host's; a template leaves it open until a pod is made.
void check_host_network(const json::object& container, const Path& path, Report& report) {
    each_object(list_at(container, "ports"), [&](const json::object& port, std::size_t i) {
        const auto inside = integer_at(port, "containerPort").value_or(0);
        const auto outside = integer_at(port, "hostPort").value_or(0);
        if (outside == inside || (outside == 0 && !report.is("", "Pod"))) return;
        const Path at = path.item("ports", i);
        report.invalid_number(at.field("hostPort"), outside, "must match `containerPort` when `hostNetwork` is true");
    });
}

void check_containers(const PodContext& pod, Seen& names, const Path& path, Report& report) {
    std::set<std::string> host_ports;
    const bool host_network = flag_at(pod.spec, "hostNetwork");
    each_object(list_at(pod.spec, "containers"), [&](const json::object& container, std::size_t i) {
        const Path at = path.item("containers", i);
        const auto name = text_at(container, "name");
        check_common(container, pod, at, report);
        if (!names.insert(name).second) report.duplicate(at.field("name"), name);
        check_probes(container, pod, at, report);
        if (has(container, "restartPolicy"))
            report.forbidden(at.field("restartPolicy"), "may not be set for non-init containers");
        check_host_ports(container, host_ports, at, report);
        if (host_network) check_host_network(container, at, report);
    });
}

void check_init_containers(const PodContext& pod, Seen& names, const Path& path, Report& report) {
    each_object(list_at(pod.spec, "initContainers"), [&](const json::object& container, std::size_t i) {
        const Path at = path.item("initContainers", i);
        const auto name = text_at(container, "name");
        check_common(container, pod, at, report);
        const auto restart = text_at(container, "restartPolicy");
        if (has(container, "restartPolicy") && restart != "Always")
            report.not_supported(at.field("restartPolicy"), restart, {"Always"});
        if (!name.empty() && !names.insert(name).second) report.duplicate(at.field("name"), name);
        std::set<std::string> host_ports;  // they run one after the other
        check_host_ports(container, host_ports, at, report);
        if (is_sidecar(container)) return check_probes(container, pod, at, report);
        for (auto field : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"})
            if (has(container, field))
                report.forbidden(at.field(field), "may not be set for init containers without restartPolicy=Always");
    });
}

void check_ephemeral_containers(const PodContext& pod, Seen& names, const Path& path, Report& report) {
    const Seen others = names;
    each_object(list_at(pod.spec, "ephemeralContainers"), [&](const json::object& container, std::size_t i) {
        const Path at = path.item("ephemeralContainers", i);
        const auto name = text_at(container, "name"), target = text_at(container, "targetContainerName");
        check_common(container, pod, at, report);
        if (!names.insert(name).second) report.duplicate(at.field("name"), name);
        if (!target.empty() && !others.contains(target)) report.not_found(at.field("targetContainerName"), target);
        for (auto field : {"ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "restartPolicy"})
            if (has(container, field) && (find(container, field)->is_string() || has_items(container, field)))
                report.forbidden(at.field(field), "cannot be set for an Ephemeral Container");
        if (has_items(container, "resources"))
            report.forbidden(at.field("resources"), "cannot be set for an Ephemeral Container");
        each_object(list_at(container, "volumeMounts"), [&](const json::object& mount, std::size_t j) {
            const Path mounted = at.item("volumeMounts", j);
            for (auto field : {"subPath", "subPathExpr"})
                if (!text_at(mount, field).empty())
                    report.forbidden(mounted.field(field), "cannot be set for an Ephemeral Container");
        });
    });
}

void check_names(const json::object& spec, const Path& path, Report& report) {
    struct Rule {
        std::string_view field;
        Faults (*check)(std::string_view);
    };
    constexpr Rule rules[] = {{"serviceAccountName", dns_subdomain},
                              {"nodeName", dns_subdomain},
                              {"hostname", dns_label},
                              {"subdomain", dns_label},
                              {"priorityClassName", dns_subdomain},
                              {"runtimeClassName", dns_subdomain}};
    for (const auto& rule : rules)
        if (const auto name = text_at(spec, rule.field); !name.empty())
            report.each_invalid(path.field(rule.field), name, rule.check(name));
    check_labels(spec, "nodeSelector", path.field("nodeSelector"), report);
    std::set<std::string_view> volumes;
    each_object(list_at(spec, "volumes"), [&](const json::object& volume, std::size_t i) {
        const auto name = text_at(volume, "name");
        const Path at = path.item("volumes", i);
        if (!name.empty() && !volumes.insert(name).second) report.duplicate(at.field("name"), name);
    });
}

void pod_spec(const json::object& value, const Path& path, Report& report) {
    const auto pod = context_of(value);
    if (!pod.grace) report.required(path.field("terminationGracePeriodSeconds"));
    Seen names;
    check_containers(pod, names, path, report);
    check_init_containers(pod, names, path, report);
    check_ephemeral_containers(pod, names, path, report);
    check_names(value, path, report);
    check_placement(value, path, report);
    check_system(value, path, report);
    report.within(value, "activeDeadlineSeconds", 1, std::numeric_limits<std::int32_t>::max(), path);
    if (pod.host_users) return;
    if (flag_at(value, "hostNetwork"))
        report.forbidden(path.field("hostNetwork"), "when `pod.Spec.HostUsers` is false");
    if (flag_at(value, "hostPID")) report.forbidden(path.field("HostPID"), "when `pod.Spec.HostUsers` is false");
    if (flag_at(value, "hostIPC")) report.forbidden(path.field("HostIPC"), "when `pod.Spec.HostUsers` is false");
}

void pod(const json::object& value, const Path& path, Report& report) {
    const auto* spec = object_at(value, "spec");
    if (!spec) return;
    const Path at = path.field("spec");
    if (!report.is_update()) {
        if (has_items(*spec, "ephemeralContainers"))
            report.forbidden(at.field("ephemeralContainers"), "cannot be set on create");
        if (!text_at(*spec, "nodeName").empty() && has_items(*spec, "schedulingGates"))
            report.forbidden(at.field("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }
    if (!text_at(*spec, "serviceAccountName").empty()) return;
    each_object(list_at(*spec, "volumes"), [&](const json::object& volume, std::size_t i) {
        each_object(list_at(volume, "projected.sources"), [&](const json::object& source, std::size_t j) {
            if (!has(source, "serviceAccountToken")) return;
            const Path volume_at = at.item("volumes", i);
            const Path source_at = volume_at.item("projected.sources", j);
            report.forbidden(source_at.field("serviceAccountToken"),
                             "must not be specified when serviceAccountName is not set");
        });
    });
}

void pod_template(const json::object& value, const Path& path, Report& report) {
    if (const auto* metadata = object_at(value, "metadata")) {
        check_labels(*metadata, "labels", path.field("labels"), report);
        check_annotations(*metadata, "annotations", path.field("annotations"), report);
    }
    if (has_items(value, "spec.ephemeralContainers"))
        report.forbidden(path.field("spec.ephemeralContainers"), "ephemeral containers not allowed in pod template");
}

constexpr CheckRow rows[] = {
    {"core.v1.Pod", pod}, {"core.v1.PodSpec", pod_spec}, {"core.v1.PodTemplateSpec", pod_template}};

}  // namespace

void check_resize_policy(const json::object& container, const PodContext& pod, const Path& path, Report& report) {
    std::set<std::string_view> resources;
    each_object(list_at(container, "resizePolicy"), [&](const json::object& policy, std::size_t i) {
        const auto resource = text_at(policy, "resourceName"), restart = text_at(policy, "restartPolicy");
        if (!resources.insert(resource).second) report.duplicate(path.item("resizePolicy", i), resource);
        if (pod.restart_policy == "Never" && restart != "NotRequired")
            report.invalid(path.field("resizePolicy"), restart,
                           "must be 'NotRequired' when `restartPolicy` is 'Never'");
    });
}

std::span<const CheckRow> pod_checks() { return rows; }

}  // namespace pila::cluster::kinds
