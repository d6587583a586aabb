// SPDX-License-Identifier: Apache-2.0
// Where pods may go: affinity, spread, tolerations, gates.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "cluster/kinds/containers.h"
#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void weight(const json::object& value, const Path& path, Report& report) {
    const auto number = integer_at(value, "weight").value_or(0);
    if (number < 1 || number > 100) report.invalid_number(path.field("weight"), number, "must be in the range 1-100");
}

void check_key_list(const json::object& value, std::string_view name, const Path& path, Report& report) {
    const auto* keys = list_at(value, name);
    for (std::size_t i = 0; keys && i < keys->size(); ++i)
        check_label_key(text_of((*keys)[i]), path.item(name, i), report);
    if (keys && !keys->empty() && !has(value, "labelSelector"))
        report.forbidden(path.field(name), "must not be specified when labelSelector is not set");
}

void pod_affinity_term(const json::object& value, const Path& path, Report& report) {
    if (const auto* namespaces = list_at(value, "namespaces"))
        for (const auto& name : *namespaces)
            report.each_invalid(path.field("namespace"), text_of(name), dns_label(text_of(name)));
    check_key_list(value, "matchLabelKeys", path, report);
    check_key_list(value, "mismatchLabelKeys", path, report);
    if (const auto key = text_at(value, "topologyKey"); !key.empty())
        check_label_key(key, path.field("topologyKey"), report);
}

void spread(const json::object& value, const Path& path, Report& report) {
    const auto skew = integer_at(value, "maxSkew").value_or(0);
    if (skew <= 0) report.invalid_number(path.field("maxSkew"), skew, "must be greater than zero");
    if (const auto domains = integer_at(value, "minDomains")) {
        if (*domains <= 0) report.invalid_number(path.field("minDomains"), *domains, "must be greater than zero");
        const auto when = text_at(value, "whenUnsatisfiable");
        if (when != "DoNotSchedule")
            report.invalid_number(
                path.field("minDomains"), *domains,
                fmt::format("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {}", when));
    }
    check_key_list(value, "matchLabelKeys", path, report);
    if (const auto key = text_at(value, "topologyKey"); !key.empty())
        check_label_key(key, path.field("topologyKey"), report);
}

void check_spread_pairs(const json::object& spec, const Path& path, Report& report) {
    std::set<std::pair<std::string_view, std::string_view>> pairs;
    each_object(list_at(spec, "topologySpreadConstraints"), [&](const json::object& constraint, std::size_t i) {
        const auto key = text_at(constraint, "topologyKey"), when = text_at(constraint, "whenUnsatisfiable");
        if (!pairs.emplace(key, when).second) {
            const Path at = path.item("topologySpreadConstraints", i);
            report.duplicate(at.field("{topologyKey, whenUnsatisfiable}"), fmt::format("{{{}, {}}}", key, when));
        }
    });
}

void toleration(const json::object& value, const Path& path, Report& report) {
    const auto key = text_at(value, "key"), operation = text_at(value, "operator"), effect = text_at(value, "effect");
    const auto text = text_at(value, "value");
    if (!key.empty()) check_label_key(key, path.field("key"), report);
    if (key.empty() && operation != "Exists")
        report.invalid(path.field("operator"), operation,
                       "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
    if (has(value, "tolerationSeconds") && effect != "NoExecute")
        report.invalid(path.field("effect"), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (operation == "Exists") {
        if (!text.empty())
            report.invalid(path.field("operator"), text, "value must be empty when `operator` is 'Exists'");
    } else if (const auto faults = label_value(text); !faults.empty()) {
        report.invalid(path.field("operator"), text, fmt::format("{}", fmt::join(faults, ";")));
    }
}

void taint(const json::object& value, const Path& path, Report& report) {
    check_label_key(text_at(value, "key"), path.field("key"), report);
    const auto text = text_at(value, "value");
    if (const auto faults = label_value(text); !faults.empty())
        report.invalid(path.field("value"), text, fmt::format("{}", fmt::join(faults, ";")));
}

void readiness_gate(const json::object& value, const Path& path, Report& report) {
    check_label_key(text_at(value, "conditionType"), path.field("conditionType"), report);
}

void gates(const json::object& spec, const Path& path, Report& report) {
    std::set<std::string_view> seen;
    each_object(list_at(spec, "schedulingGates"), [&](const json::object& gate, std::size_t i) {
        const auto name = text_at(gate, "name");
        const Path at = path.item("schedulingGates", i);
        check_label_key(name, at, report);
        if (!seen.insert(name).second) report.duplicate(at, name);
    });
}

constexpr CheckRow rows[] = {
    {"core.v1.PodAffinityTerm", pod_affinity_term},
    {"core.v1.PodReadinessGate", readiness_gate},
    {"core.v1.PreferredSchedulingTerm", weight},
    {"core.v1.Taint", taint},
    {"core.v1.Toleration", toleration},
    {"core.v1.TopologySpreadConstraint", spread},
    {"core.v1.WeightedPodAffinityTerm", weight},
};

}  // namespace

void check_placement(const json::object& spec, const Path& path, Report& report) {
    check_spread_pairs(spec, path, report);
    gates(spec, path, report);
}

std::span<const CheckRow> scheduling_checks() { return rows; }

}  // namespace pila::cluster::kinds
