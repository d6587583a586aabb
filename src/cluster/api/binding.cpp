// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/binding.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/api/metadata.h"
#include "cluster/kinds/cause.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::api {

namespace {

Status refused(const Call& call, const std::string& why) {
    auto status = conflict(call.kind, call.name, why);
    status.message = fmt::format("Operation cannot be fulfilled on pods/binding \"{}\": {}", call.name, why);
    status.kind = "pods/binding";
    return status;
}

Outcome<void> check_binding(const Call& call, const json::object& binding) {
    if (meta_text(binding, "name") != call.name)
        return bad_request("name in URL does not match name in Binding object");
    const auto* target = kinds::object_at(binding, "target");
    auto kind = target ? kinds::text_at(*target, "kind") : std::string_view();
    std::vector<Cause> causes;
    if (!kind.empty() && kind != "Node")
        causes.push_back(kinds::invalid_value("target.kind", json_quote(kind), "must be Node or empty"));
    if (!target || kinds::text_at(*target, "name").empty()) causes.push_back(kinds::required("target.name"));
    if (causes.empty()) return {};
    auto status = invalid(call.kind, call.name, std::move(causes));
    status.kind = "Binding";
    return status;
}

Outcome<void> check_pod(const Call& call, const json::object& pod, const json::object& binding) {
    for (auto member : {"uid", "resourceVersion"}) {
        auto wanted = meta_text(binding, member), there = meta_text(pod, member);
        if (!wanted.empty() && wanted != there)
            return refused(call, fmt::format("Precondition failed: {} in precondition: {}, {} in object meta: {}",
                                             member == std::string_view("uid") ? "UID" : "ResourceVersion", wanted,
                                             member == std::string_view("uid") ? "UID" : "ResourceVersion", there));
    }
    if (is_going(pod))
        return refused(call, fmt::format("pod {} is being deleted, cannot be assigned to a host", call.name));
    const auto* spec = kinds::object_at(pod, "spec");
    auto node = spec ? kinds::text_at(*spec, "nodeName") : std::string_view();
    if (!node.empty())
        return refused(call, fmt::format("pod {} is already assigned to node {}", call.name, json_quote(node)));
    if (spec && kinds::has_items(*spec, "schedulingGates"))
        return refused(call, fmt::format("pod {} has non-empty .spec.schedulingGates", call.name));
    return {};
}

void say_scheduled(json::object& pod) {
    auto& status = pod["status"];
    if (!status.is_object()) status.emplace_object();
    auto& list = status.get_object()["conditions"];
    if (!list.is_array()) list.emplace_array();
    auto& conditions = list.get_array();
    for (auto at = conditions.begin(); at != conditions.end();) {
        bool is_it = at->is_object() && kinds::text_at(at->get_object(), "type") == "PodScheduled";
        at = is_it ? conditions.erase(at) : at + 1;
    }
    conditions.push_back(json::object{
        {"type", "PodScheduled"}, {"status", "True"}, {"lastProbeTime", nullptr}, {"lastTransitionTime", now_text()}});
}

}  // namespace

Outcome<void> bind_pod(Registry& registry, Call& call, const json::object& binding) {
    TRY(check_binding(call, binding));
    call.subresource.clear();
    return registry.alter(call, [&](json::object& pod) -> Outcome<void> {
        TRY(check_pod(call, pod, binding));
        pod["spec"].get_object()["nodeName"] = kinds::text_at(*kinds::object_at(binding, "target"), "name");
        if (const auto* notes = kinds::object_at(binding, "metadata.annotations"); notes && !notes->empty()) {
            auto& own = meta(pod)["annotations"];
            if (!own.is_object()) own.emplace_object();
            for (const auto& note : *notes) own.get_object()[note.key()] = note.value();
        }
        say_scheduled(pod);
        return {};
    });
}

}  // namespace pila::cluster::api
