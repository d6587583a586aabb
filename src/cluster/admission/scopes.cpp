// SPDX-License-Identifier: Apache-2.0
// Which pods a quota with scopes is about.
#include <algorithm>

#include <boost/json.hpp>

#include "cluster/admission/usage_internal.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::admission {

namespace {

bool is_best_effort(const json::object& spec) {
    for (auto list : {"containers", "initContainers"}) {
        bool asks = false;
        kinds::each_object(kinds::list_at(spec, list), [&](const json::object& container, std::size_t) {
            for (auto amounts : {"resources.requests", "resources.limits"})
                for (const auto& [name, amount] : amounts_of(kinds::object_at(container, amounts)))
                    asks = asks || ((name == "cpu" || name == "memory") && !amount.is_zero());
        });
        if (asks) return false;
    }
    return true;
}

bool reaches_out(const json::object& term) {
    return kinds::has_items(term, "namespaces") || kinds::has(term, "namespaceSelector");
}

bool crosses_namespaces(const json::object& spec) {
    bool crosses = false;
    for (std::string kind : {"affinity.podAffinity.", "affinity.podAntiAffinity."}) {
        kinds::each_object(kinds::list_at(spec, kind + "requiredDuringSchedulingIgnoredDuringExecution"),
                           [&](const json::object& term, std::size_t) { crosses = crosses || reaches_out(term); });
        kinds::each_object(kinds::list_at(spec, kind + "preferredDuringSchedulingIgnoredDuringExecution"),
                           [&](const json::object& weighted, std::size_t) {
                               const auto* term = kinds::object_at(weighted, "podAffinityTerm");
                               crosses = crosses || (term && reaches_out(*term));
                           });
    }
    return crosses;
}

bool matches_class(const json::object& requirement, std::string_view name) {
    auto how = kinds::text_at(requirement, "operator");
    if (how == "Exists") return !name.empty();
    if (how == "DoesNotExist") return name.empty();
    bool is_listed = false;
    if (const auto* values = kinds::list_at(requirement, "values"))
        for (const auto& value : *values) is_listed = is_listed || (!name.empty() && kinds::text_of(value) == name);
    return how == "NotIn" ? !is_listed : is_listed;
}

// A requirement of the scopeSelector; scopes in the plain list are those with "Exists".
bool matches(const json::object& requirement, const json::object& spec) {
    auto scope = kinds::text_at(requirement, "scopeName");
    bool ends = kinds::integer_at(spec, "activeDeadlineSeconds").value_or(-1) >= 0;
    if (scope == "Terminating") return ends;
    if (scope == "NotTerminating") return !ends;
    if (scope == "BestEffort") return is_best_effort(spec);
    if (scope == "NotBestEffort") return !is_best_effort(spec);
    if (scope == "CrossNamespacePodAffinity") return crosses_namespaces(spec);
    if (scope == "PriorityClass") return matches_class(requirement, kinds::text_at(spec, "priorityClassName"));
    return false;
}

}  // namespace

bool is_in_scope(const json::object& quota, std::string_view collection, const json::object& object) {
    std::vector<json::object> requirements;
    if (const auto* scopes = kinds::list_at(quota, "spec.scopes"))
        for (const auto& scope : *scopes)
            requirements.push_back(json::object{{"scopeName", kinds::text_of(scope)}, {"operator", "Exists"}});
    kinds::each_object(kinds::list_at(quota, "spec.scopeSelector.matchExpressions"),
                       [&](const json::object& one, std::size_t) { requirements.push_back(one); });
    if (requirements.empty()) return true;
    const auto* spec = collection == "core/pods" ? kinds::object_at(object, "spec") : nullptr;
    if (!spec) return false;
    return std::all_of(requirements.begin(), requirements.end(),
                       [&](const json::object& one) { return matches(one, *spec); });
}

}  // namespace pila::cluster::admission
