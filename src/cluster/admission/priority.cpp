// SPDX-License-Identifier: Apache-2.0
// How important a pod is: its class says so, or the class that is everybody's, or nobody: 0.
#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/admission/plugins_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

constexpr std::string_view classes = "scheduling.k8s.io/priorityclasses";

// The lowest one, should there be several.
std::optional<json::object> usual_class(const Lookup& lookup) {
    std::optional<json::object> best;
    for (auto& one : lookup.list(classes, "")) {
        if (!kinds::flag_at(one, "globalDefault")) continue;
        if (!best || kinds::integer_at(one, "value").value_or(0) < kinds::integer_at(*best, "value").value_or(0))
            best = std::move(one);
    }
    return best;
}

void keep(json::object& spec, const json::object& before, std::string_view member) {
    const auto* value = kinds::find(before, member);
    if (value && !kinds::has(spec, member)) spec[member] = *value;
}

}  // namespace

Verdict complete_priority(Request& request, json::object& object, const Lookup& lookup) {
    if (!request.is("", "Pod") || !request.subresource.empty()) return {};
    auto& spec = spec_of(object);
    if (!request.is_new()) {
        keep(spec, spec_of(*request.before), "priority");
        keep(spec, spec_of(*request.before), "preemptionPolicy");
        return {};
    }
    std::string name(kinds::text_at(spec, "priorityClassName"));
    auto found = name.empty() ? usual_class(lookup) : lookup.get(classes, "", name);
    if (!found && !name.empty()) return refuse(fmt::format("no PriorityClass with name {} was found", name));
    if (found && name.empty()) spec["priorityClassName"] = name_of(*found);
    auto priority = found ? kinds::integer_at(*found, "value").value_or(0) : 0;
    std::string policy(found ? kinds::text_at(*found, "preemptionPolicy") : std::string_view());
    if (policy.empty()) policy = "PreemptLowerPriority";
    if (auto given = kinds::integer_at(spec, "priority"); given && *given != priority)
        return refuse(
            fmt::format("the integer value of priority ({}) must not be provided in pod spec; priority admission "
                        "controller computed {} from the given PriorityClass name",
                        *given, priority));
    auto given = kinds::text_at(spec, "preemptionPolicy");
    if (!given.empty() && given != policy)
        return refuse(fmt::format(
            "the string value of PreemptionPolicy ({}) must not be provided in pod spec; priority admission controller "
            "computed {} from the given PriorityClass name",
            given, policy));
    spec["priority"] = priority;
    spec["preemptionPolicy"] = policy;
    return {};
}

Verdict check_priority_class(Request& request, const json::object& object, const Lookup& lookup) {
    if (!request.is("scheduling.k8s.io", "PriorityClass") || !kinds::flag_at(object, "globalDefault")) return {};
    auto usual = usual_class(lookup);
    if (!usual || (!request.is_new() && name_of(*usual) == name_of(object))) return {};
    return refuse(
        fmt::format("PriorityClass {} is already marked as default. Only one default can exist", name_of(*usual)));
}

std::vector<std::string> standing_objects() {
    auto text = [](std::string_view name, int value, std::string_view description) {
        json::object object{{"apiVersion", "scheduling.k8s.io/v1"}, {"kind", "PriorityClass"}};
        object["metadata"] = json::object{{"name", name}};
        object["value"] = value;
        object["description"] = description;
        return json::serialize(object);
    };
    return {text("system-node-critical", 2'000'001'000,
                 "Used for system critical pods that must not be moved from their current node."),
            text("system-cluster-critical", 2'000'000'000,
                 "Used for system critical pods that must run in the cluster, but can be moved to another node if "
                 "necessary.")};
}

}  // namespace pila::cluster::admission
