// SPDX-License-Identifier: Apache-2.0
// What is legal, but probably not meant.
#include <set>

#include <fmt/format.h>

#include "cluster/kinds/kinds.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/path.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

using Warnings = std::vector<std::string>;

void check_ports(const json::object& container, std::set<std::string>& ports, const Path& path, Warnings& warnings) {
    each_object(list_at(container, "ports"), [&](const json::object& port, std::size_t i) {
        const auto number = integer_at(port, "containerPort").value_or(0);
        if (!ports.insert(fmt::format("{}/{}", number, text_at(port, "protocol"))).second)
            warnings.push_back(fmt::format("{}: duplicate port definition with another port in the same container",
                                           path.item("ports", i).text()));
    });
}

void check_variables(const json::object& container, const Path& path, Warnings& warnings) {
    std::set<std::string_view> names;
    each_object(list_at(container, "env"), [&](const json::object& variable, std::size_t i) {
        const auto name = text_at(variable, "name");
        if (!names.insert(name).second)
            warnings.push_back(
                fmt::format("{}: hides previous definition of \"{}\", which may be dropped when using "
                            "apply",
                            path.item("env", i).text(), name));
    });
}

void check_containers(const json::object& spec, const Path& path, Warnings& warnings) {
    for (auto list : {"initContainers", "containers"})
        each_object(list_at(spec, list), [&](const json::object& container, std::size_t i) {
            const Path at = path.item(list, i);
            std::set<std::string> ports;
            check_ports(container, ports, at, warnings);
            check_variables(container, at, warnings);
            const auto* requests = object_at(container, "resources.requests");
            for (auto name : {"memory", "ephemeral-storage"})
                if (requests && text_at(*requests, name).ends_with('m'))
                    warnings.push_back(
                        fmt::format("{}.resources.requests[{}]: fractional byte value \"{}\" is invalid, "
                                    "must be an integer",
                                    at.text(), name, text_at(*requests, name)));
        });
}

void check_selector_labels(const json::object& spec, const Path& path, Warnings& warnings) {
    const auto* selector = object_at(spec, "nodeSelector");
    if (!selector) return;
    struct Label {
        std::string_view old_name, name;
    };
    constexpr Label old_labels[] = {
        {"beta.kubernetes.io/arch", "kubernetes.io/arch"},
        {"beta.kubernetes.io/os", "kubernetes.io/os"},
        {"failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"},
        {"failure-domain.beta.kubernetes.io/zone", "topology.kubernetes.io/zone"},
        {"beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type"},
    };
    for (const auto& label : old_labels)
        if (selector->contains(label.old_name))
            warnings.push_back(fmt::format("{}: deprecated since v1.14; use \"{}\" instead",
                                           path.key("nodeSelector", label.old_name).text(), label.name));
}

void check_pod(const json::object& spec, const Path& path, Warnings& warnings) {
    check_selector_labels(spec, path, warnings);
    each_object(list_at(spec, "volumes"), [&](const json::object& volume, std::size_t i) {
        const Path at = path.item("volumes", i);
        if (has(volume, "gitRepo"))
            warnings.push_back(at.field("gitRepo").text() + ": deprecated in v1.11, and disabled by default in v1.33+");
        if (has(volume, "glusterfs"))
            warnings.push_back(at.field("glusterfs").text() + ": deprecated in v1.25, non-functional in v1.26+");
    });
    check_containers(spec, path, warnings);
    const auto grace = integer_at(spec, "terminationGracePeriodSeconds");
    if (grace && *grace < 0)
        warnings.push_back(path.field("terminationGracePeriodSeconds").text() +
                           ": must be >= 0; negative values are invalid and will be treated as 1");
}

// What is kept but means nothing here yet: rules in CEL.
void check_expressions(const json::object& object, const schema::Kind& kind, Warnings& warnings) {
    if (kind.name == "ValidatingAdmissionPolicy" || kind.name == "MutatingAdmissionPolicy")
        warnings.push_back(
            fmt::format("{} is stored, but CEL expressions are not evaluated: nothing is refused by it", kind.name));
    each_object(list_at(object, "webhooks"), [&](const json::object& webhook, std::size_t i) {
        if (has_items(webhook, "matchConditions"))
            warnings.push_back(fmt::format(
                "webhooks[{}].matchConditions: CEL expressions are not evaluated: the webhook is called for "
                "everything that its rules and selectors match",
                i));
    });
}

// Where kinds keep the spec of a pod.
constexpr std::string_view pod_specs[] = {"spec.template.spec", "template.spec", "spec.jobTemplate.spec.template.spec"};

}  // namespace

std::vector<std::string> warnings(const json::object& object, const schema::Kind& kind) {
    Warnings found;
    const auto& group = kind.group_version.group;
    if (group.empty() && kind.name == "Pod") {
        if (const auto* spec = object_at(object, "spec")) check_pod(*spec, Path("spec"), found);
        return found;
    }
    if (group.empty() && kind.name == "Endpoints")
        found.emplace_back("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice");
    if (group.empty() && kind.name == "ComponentStatus")
        found.emplace_back("v1 ComponentStatus is deprecated in v1.19+");
    if (group == "admissionregistration.k8s.io") check_expressions(object, kind, found);
    const auto* notes = object_at(object, "metadata.annotations");
    if (group == "networking.k8s.io" && kind.name == "Ingress" && notes &&
        notes->contains("kubernetes.io/ingress.class"))
        found.emplace_back(
            "annotation \"kubernetes.io/ingress.class\" is deprecated, please use "
            "'spec.ingressClassName' instead");
    if (kind.is_namespaced && (group.empty() || group == "apps" || group == "batch"))
        for (auto place : pod_specs)
            if (const auto* spec = object_at(object, place)) check_pod(*spec, Path(place), found);
    const auto* names = object_at(object, "metadata");
    if (kind.name == "StatefulSet" || kind.name == "Deployment" || kind.name == "ReplicaSet") {
        const auto name = names ? text_at(*names, "name") : std::string_view();
        for (const auto& fault : name.empty() ? Faults() : dns_label(name))
            found.push_back(
                fmt::format("metadata.name: this is used in Pod names and hostnames, which can result in "
                            "surprising behavior; a DNS label is recommended: [{}]",
                            fault));
    }
    return found;
}

}  // namespace pila::cluster::kinds
