// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/node_fit.h"

#include <algorithm>
#include <optional>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/controllers/fields.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::controllers {

namespace {

constexpr const char* required_terms =
    "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";

std::optional<std::string_view> label_of(const json::object& node, std::string_view name) {
    const auto* labels = object_in(node, "metadata.labels");
    const auto* value = labels ? labels->if_contains(name) : nullptr;
    if (!value || !value->is_string()) return std::nullopt;
    return std::string_view(value->get_string());
}

bool has_value(const json::object& requirement, std::string_view value) {
    const auto* values = list_in(requirement, "values");
    return values && std::any_of(values->begin(), values->end(), [&](const json::value& one) {
               return one.is_string() && std::string_view(one.get_string()) == value;
           });
}

bool holds(const json::object& requirement, std::optional<std::string_view> value) {
    auto operation = text_in(requirement, "operator");
    if (operation == "Exists") return value.has_value();
    if (operation == "DoesNotExist") return !value;
    if (operation == "NotIn") return !value || !has_value(requirement, *value);
    if (!value) return false;
    if (operation == "In") return has_value(requirement, *value);
    const auto* values = list_in(requirement, "values");
    if (!values || values->size() != 1 || !values->front().is_string()) return false;
    auto number = parse_int(*value), bound = parse_int(std::string_view(values->front().get_string()));
    if (!number || !bound) return false;
    return operation == "Gt" ? *number > *bound : operation == "Lt" && *number < *bound;
}

// A term that asks nothing fits nothing.
bool fits_term(const json::object& term, const json::object& node) {
    bool asks = false, fits = true;
    kinds::each_object(list_in(term, "matchExpressions"), [&](const json::object& one, std::size_t) {
        asks = true;
        fits = fits && holds(one, label_of(node, text_in(one, "key")));
    });
    kinds::each_object(list_in(term, "matchFields"), [&](const json::object& one, std::size_t) {
        asks = true;
        fits = fits && text_in(one, "key") == "metadata.name" && holds(one, text_in(node, "metadata.name"));
    });
    return asks && fits;
}

bool tolerates_taint(const json::object& toleration, const json::object& taint) {
    auto effect = text_in(toleration, "effect"), key = text_in(toleration, "key");
    if (!effect.empty() && effect != text_in(taint, "effect")) return false;
    if (!key.empty() && key != text_in(taint, "key")) return false;
    if (text_in(toleration, "operator") == "Exists") return true;
    return !key.empty() && text_in(toleration, "value") == text_in(taint, "value");
}

}  // namespace

bool fits_terms(const json::array& terms, const json::object& node) {
    bool fits = false;
    kinds::each_object(&terms, [&](const json::object& term, std::size_t) { fits = fits || fits_term(term, node); });
    return fits;
}

bool fits_node(const json::object& pod_spec, const json::object& node) {
    auto name = text_in(pod_spec, "nodeName");
    if (!name.empty() && name != text_in(node, "metadata.name")) return false;
    if (const auto* wished = object_in(pod_spec, "nodeSelector"))
        for (const auto& [label, value] : *wished) {
            auto found = label_of(node, label);
            if (!found || !value.is_string() || *found != std::string_view(value.get_string())) return false;
        }
    const auto* terms = list_in(pod_spec, required_terms);
    return !terms || fits_terms(*terms, node);
}

bool tolerates(const json::object& pod_spec, const json::object& node, Taints taints) {
    bool fine = true;
    kinds::each_object(list_in(node, "spec.taints"), [&](const json::object& taint, std::size_t) {
        auto effect = text_in(taint, "effect");
        if (effect != "NoExecute" && (effect != "NoSchedule" || taints == Taints::Driving)) return;
        bool borne = false;
        kinds::each_object(list_in(pod_spec, "tolerations"),
                           [&](const json::object& one, std::size_t) { borne = borne || tolerates_taint(one, taint); });
        fine = fine && borne;
    });
    return fine;
}

void tolerate_as_daemon(json::object& pod_spec) {
    auto& list = pod_spec["tolerations"];
    if (!list.is_array()) list.emplace_array();
    auto add = [&](std::string_view key, std::string_view effect) {
        json::object made{{"key", key}, {"operator", "Exists"}, {"effect", effect}};
        for (const auto& known : list.get_array())
            if (known.is_object() && known.get_object() == made) return;
        list.get_array().push_back(std::move(made));
    };
    add("node.kubernetes.io/not-ready", "NoExecute");
    add("node.kubernetes.io/unreachable", "NoExecute");
    for (auto key : {"disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"})
        add(std::string("node.kubernetes.io/") + key, "NoSchedule");
    if (flag_in(pod_spec, "hostNetwork")) add("node.kubernetes.io/network-unavailable", "NoSchedule");
}

void pin_to_node(json::object& pod_spec, const std::string& node) {
    json::object field{{"key", "metadata.name"}, {"operator", "In"}};
    field["values"] = json::array{json::value(node)};
    json::object term;
    term["matchFields"] = json::array{json::value(std::move(field))};
    auto& required = make_object_in(pod_spec, "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution");
    required["nodeSelectorTerms"] = json::array{json::value(std::move(term))};
}

std::string node_of(const json::object& pod) {
    if (auto name = text_in(pod, "spec.nodeName"); !name.empty()) return std::string(name);
    std::string pinned;
    const auto* terms = list_in(pod, std::string("spec.") + required_terms);
    kinds::each_object(terms, [&](const json::object& term, std::size_t) {
        kinds::each_object(list_in(term, "matchFields"), [&](const json::object& one, std::size_t) {
            const auto* values = list_in(one, "values");
            bool names_one = text_in(one, "key") == "metadata.name" && text_in(one, "operator") == "In" && values &&
                             values->size() == 1 && values->front().is_string();
            if (names_one) pinned = values->front().get_string();
        });
    });
    return pinned;
}

}  // namespace pila::cluster::controllers
