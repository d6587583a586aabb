// SPDX-License-Identifier: Apache-2.0
// What the runtime of a pod costs beside its containers, and where it is to be found.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/admission/plugins_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

constexpr std::string_view no_match = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

Verdict find_class(const json::object& spec, const Lookup& lookup, std::optional<json::object>& found) {
    std::string name(kinds::text_at(spec, "runtimeClassName"));
    if (name.empty()) return {};
    found = lookup.get("node.k8s.io/runtimeclasses", "", name);
    if (found) return {};
    return refuse(fmt::format("pod rejected: RuntimeClass \"{}\" not found", name));
}

Verdict take_node_selector(json::object& spec, const json::object& scheduling) {
    const auto* wanted = kinds::object_at(scheduling, "nodeSelector");
    if (!wanted || wanted->empty()) return {};
    auto* own = kinds::make_object(spec, "nodeSelector");
    if (!own) return {};
    for (const auto& [name, value] : *wanted) {
        const auto* given = own->if_contains(name);
        if (given && *given != value)
            return refuse(fmt::format(
                "conflict: runtimeClass.scheduling.nodeSelector[{}] = {}; pod.spec.nodeSelector[{}] = {}",
                std::string_view(name), kinds::text_of(value), std::string_view(name), kinds::text_of(*given)));
        (*own)[name] = value;
    }
    return {};
}

}  // namespace

Verdict complete_runtime_class(Request& request, json::object& object, const Lookup& lookup) {
    if (!is_new_pod(request)) return {};
    auto& spec = spec_of(object);
    std::optional<json::object> found;
    TRY(find_class(spec, lookup, found));
    if (!found) return {};
    if (const auto* overhead = kinds::object_at(std::as_const(*found), "overhead.podFixed")) {
        const auto* given = kinds::find(spec, "overhead");
        if (given && !kinds::is_same(given, kinds::find(*kinds::object_at(*found, "overhead"), "podFixed")))
            return refuse(std::string(no_match));
        spec["overhead"] = *overhead;
    }
    const auto* scheduling = kinds::object_at(std::as_const(*found), "scheduling");
    if (!scheduling) return {};
    TRY(take_node_selector(spec, *scheduling));
    const auto* tolerations = kinds::list_at(*scheduling, "tolerations");
    if (!tolerations || tolerations->empty()) return {};
    auto& own = spec["tolerations"];
    if (!own.is_array()) own.emplace_array();
    auto& list = own.get_array();
    for (const auto& one : *tolerations)
        if (std::find(list.begin(), list.end(), one) == list.end()) list.push_back(one);
    return {};
}

Verdict check_overhead(Request& request, const json::object& object, const Lookup& lookup) {
    if (!is_new_pod(request)) return {};
    const auto& spec = spec_of(object);
    std::optional<json::object> found;
    TRY(find_class(spec, lookup, found));
    const auto* wanted = found ? kinds::object_at(std::as_const(*found), "overhead") : nullptr;
    const auto* given = kinds::find(spec, "overhead");
    if (wanted)
        return kinds::is_same(given, kinds::find(*wanted, "podFixed")) ? Verdict() : refuse(std::string(no_match));
    if (kinds::has_items(spec, "overhead"))
        return refuse("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
    return {};
}

}  // namespace pila::cluster::admission
