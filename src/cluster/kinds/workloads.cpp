// SPDX-License-Identifier: Apache-2.0
// Controllers of pods: selectors against templates, replicas, roll-outs.
#include <fmt/format.h>

#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

const json::value& null_value() {
    static const json::value null;
    return null;
}

// The template's pods must be those that the selector finds, and run for ever.
void check_template(const json::object& spec, std::string_view kind, const Path& path, Report& report) {
    const auto* pod = object_at(spec, "template.spec");
    if (!pod) return;
    const auto restart = text_at(*pod, "restartPolicy");
    const Path at = path.field("template.spec");
    if (!restart.empty() && restart != "Always") report.not_supported(at.field("restartPolicy"), restart, {"Always"});
    if (has(*pod, "activeDeadlineSeconds"))
        report.forbidden(at.field("activeDeadlineSeconds"),
                         fmt::format("activeDeadlineSeconds in {} is not Supported", kind));
}

void check_match(const json::object* selector, const json::object& spec, const Path& path, Report& report) {
    const auto* labels = object_at(spec, "template.metadata.labels");
    if (!selector || is_selected(selector, labels)) return;
    report.invalid(path.field("template.metadata.labels"), labels ? json::value(*labels) : null_value(),
                   "`selector` does not match template `labels`");
}

void check_selector(const json::object& spec, std::string_view kind, const Path& path, Report& report) {
    const auto* selector = object_at(spec, "selector");
    if (selector && !has_items(*selector, "matchLabels") && !has_items(*selector, "matchExpressions"))
        report.invalid(path.field("selector"), json::value(*selector),
                       fmt::format("empty selector is invalid for {}", kind));
    check_match(selector, spec, path, report);
}

// A whole number or a percentage; the number it says, or nothing.
void check_amount(const json::object& value, std::string_view name, const Path& path, Report& report) {
    const auto* amount = find(value, name);
    if (!amount) return;
    if (amount->is_string())
        report.each_invalid(path.field(name), text_of(*amount), percentage(text_of(*amount)));
    else
        report.not_negative(value, name, path);
}

bool is_zero(const json::object& value, std::string_view name) {
    const auto* amount = find(value, name);
    if (!amount) return false;
    const auto text = text_of(*amount);
    return amount->is_string() ? !text.empty() && text.find_first_not_of("0%") == std::string_view::npos
                               : integer_of(*amount) == 0;
}

void check_not_over_all(const json::object& value, std::string_view name, const Path& path, Report& report) {
    const auto text = text_at(value, name);
    if (!percentage(text).empty()) return;
    const auto digits = text.substr(0, text.size() - 1).find_first_not_of('0');
    const auto number =
        digits == std::string_view::npos ? std::string_view() : text.substr(digits, text.size() - 1 - digits);
    if (number.size() > 3 || (number.size() == 3 && number > "100"))
        report.invalid(path.field(name), text, "must not be greater than 100%");
}

void rolling_deployment(const json::object& value, const Path& path, Report& report) {
    check_amount(value, "maxUnavailable", path, report);
    check_amount(value, "maxSurge", path, report);
    if (is_zero(value, "maxUnavailable") && is_zero(value, "maxSurge"))
        report.invalid(path.field("maxUnavailable"), *find(value, "maxUnavailable"),
                       "may not be 0 when `maxSurge` is 0");
    check_not_over_all(value, "maxUnavailable", path, report);
}

void rolling_daemon_set(const json::object& value, const Path& path, Report& report) {
    check_amount(value, "maxUnavailable", path, report);
    check_amount(value, "maxSurge", path, report);
    const bool none_down = is_zero(value, "maxUnavailable"), none_more = is_zero(value, "maxSurge");
    if (none_down && none_more) report.required(path.field("maxUnavailable"), "cannot be 0 when maxSurge is 0");
    if (!none_down && !none_more && has(value, "maxSurge") && has(value, "maxUnavailable"))
        report.invalid(path.field("maxSurge"), *find(value, "maxSurge"),
                       "may not be set when maxUnavailable is non-zero");
    check_not_over_all(value, "maxUnavailable", path, report);
    check_not_over_all(value, "maxSurge", path, report);
}

void rolling_stateful_set(const json::object& value, const Path& path, Report& report) {
    report.not_negative(value, "partition", path);
}

void check_counts(const json::object& spec, std::initializer_list<std::string_view> names, const Path& path,
                  Report& report) {
    for (auto name : names) report.not_negative(spec, name, path);
}

void deployment_spec(const json::object& value, const Path& path, Report& report) {
    check_counts(value, {"replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"}, path,
                 report);
    check_selector(value, "deployment", path, report);
    check_template(value, "ReplicaSet", path, report);
    const auto deadline = integer_at(value, "progressDeadlineSeconds");
    if (deadline && *deadline <= integer_at(value, "minReadySeconds").value_or(0))
        report.invalid_number(path.field("progressDeadlineSeconds"), *deadline, "must be greater than minReadySeconds");
}

void deployment_strategy(const json::object& value, const Path& path, Report& report) {
    if (text_at(value, "type") == "Recreate" && has(value, "rollingUpdate"))
        report.forbidden(path.field("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'");
}

void replica_set_spec(const json::object& value, const Path& path, Report& report) {
    check_counts(value, {"replicas", "minReadySeconds"}, path, report);
    check_selector(value, "deployment", path, report);
    check_template(value, "ReplicaSet", path, report);
}

void daemon_set_spec(const json::object& value, const Path& path, Report& report) {
    check_counts(value, {"minReadySeconds", "revisionHistoryLimit"}, path, report);
    check_selector(value, "daemonset", path, report);
    check_template(value, "DaemonSet", path, report);
}

void stateful_set_spec(const json::object& value, const Path& path, Report& report) {
    check_counts(value, {"replicas", "minReadySeconds", "revisionHistoryLimit"}, path, report);
    check_selector(value, "statefulset", path, report);
    check_template(value, "StatefulSet", path, report);
    if (const auto* ordinals = object_at(value, "ordinals"))
        report.not_negative(*ordinals, "start", path.field("ordinals"));
    const auto* strategy = object_at(value, "updateStrategy");
    if (strategy && text_at(*strategy, "type") == "OnDelete" && has(*strategy, "rollingUpdate"))
        report.invalid(path.field("updateStrategy.rollingUpdate"), *find(*strategy, "rollingUpdate"),
                       "only allowed for updateStrategy 'RollingUpdate'");
}

void controller_spec(const json::object& value, const Path& path, Report& report) {
    check_counts(value, {"replicas", "minReadySeconds"}, path, report);
    const auto* selector = object_at(value, "selector");
    if (!selector || selector->empty()) report.required(path.field("selector"));
    if (!object_at(value, "template")) return report.required(path.field("template"));
    if (selector) {
        const json::object wanted{{"matchLabels", *selector}};
        check_match(&wanted, value, path, report);
    }
    check_template(value, "ReplicationController", path, report);
}

void controller_revision(const json::object& value, const Path& path, Report& report) {
    if (!has(value, "data")) report.required(path.field("data"), "data is mandatory");
    report.not_negative(value, "revision", path);
}

void disruption_budget(const json::object& value, const Path& path, Report& report) {
    const Path spec = path;
    if (has(value, "minAvailable") && has(value, "maxUnavailable"))
        report.invalid(spec, json::value(value), "minAvailable and maxUnavailable cannot be both set");
    for (auto name : {"minAvailable", "maxUnavailable"}) {
        check_amount(value, name, path, report);
        check_not_over_all(value, name, path, report);
    }
}

constexpr CheckRow rows[] = {
    {"apps.v1.ControllerRevision", controller_revision},
    {"apps.v1.DaemonSetSpec", daemon_set_spec},
    {"apps.v1.DeploymentSpec", deployment_spec},
    {"apps.v1.DeploymentStrategy", deployment_strategy},
    {"apps.v1.ReplicaSetSpec", replica_set_spec},
    {"apps.v1.RollingUpdateDaemonSet", rolling_daemon_set},
    {"apps.v1.RollingUpdateDeployment", rolling_deployment},
    {"apps.v1.RollingUpdateStatefulSetStrategy", rolling_stateful_set},
    {"apps.v1.StatefulSetSpec", stateful_set_spec},
    {"core.v1.ReplicationControllerSpec", controller_spec},
    {"policy.v1.PodDisruptionBudgetSpec", disruption_budget},
};

}  // namespace

std::span<const CheckRow> workload_checks() { return rows; }

}  // namespace pila::cluster::kinds
