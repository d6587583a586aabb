// SPDX-License-Identifier: Apache-2.0
// Horizontal pod autoscalers.
#include "cluster/kinds/names.h"
#include "cluster/kinds/resources.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void spec(const json::object& value, const Path& path, Report& report) {
    const auto least = integer_at(value, "minReplicas"), most = integer_at(value, "maxReplicas");
    if (least && *least < 1)
        report.invalid_number(path.field("minReplicas"), *least, "must be greater than or equal to 1");
    if (most.value_or(0) < 1)
        report.invalid_number(path.field("maxReplicas"), most.value_or(0), "must be greater than 0");
    if (least && most.value_or(0) < *least)
        report.invalid_number(path.field("maxReplicas"), most.value_or(0),
                              "must be greater than or equal to `minReplicas`");
    const auto cpu = integer_at(value, "targetCPUUtilizationPercentage");
    if (cpu && *cpu < 1)
        report.invalid_number(path.field("targetCPUUtilizationPercentage"), *cpu, "must be greater than 0");
}

void reference(const json::object& value, const Path& path, Report& report) {
    for (auto name : {"kind", "name"})
        if (const auto text = text_at(value, name); !text.empty())
            report.each_invalid(path.field(name), text, path_segment(text));
}

constexpr std::string_view sources[] = {"object", "external", "pods", "resource", "containerResource"};

void metric(const json::object& value, const Path& path, Report& report) {
    auto expected = std::string(text_at(value, "type"));
    if (expected.empty()) return;
    if (expected[0] >= 'A' && expected[0] <= 'Z') expected[0] = static_cast<char>(expected[0] - 'A' + 'a');
    bool is_known = false;
    for (auto source : sources) {
        is_known = is_known || source == expected;
        if (source != expected && has(value, source))
            report.forbidden(path.field(source), "must populate the given metric source only");
    }
    if (is_known && !has(value, expected))
        report.required(path.field(expected), "must populate information for the given metric source");
}

void target(const json::object& value, const Path& path, Report& report) {
    const auto type = text_at(value, "type");
    const auto utilization = integer_at(value, "averageUtilization");
    if (utilization && *utilization < 1)
        report.invalid_number(path.field("averageUtilization"), *utilization, "must be greater than 0");
    for (auto name : {"value", "averageValue"})
        if (const auto* amount = find(value, name); amount && !is_positive_amount(*amount))
            report.invalid(path.field(name), *amount, "must be positive");
    if (utilization && has(value, "averageValue"))
        report.forbidden(path.field("averageValue"), "may not set both a target raw value and a target utilization");
    if (!type.empty() && !utilization && !has(value, "averageValue") && !has(value, "value"))
        report.required(path.field("averageUtilization"), "must set either a target raw value or a target utilization");
}

void identifier(const json::object& value, const Path& path, Report& report) {
    if (const auto name = text_at(value, "name"); !name.empty())
        report.each_invalid(path.field("name"), name, path_segment(name));
}

void rules(const json::object& value, const Path& path, Report& report) {
    constexpr std::int64_t hour = 3600;
    const auto window = integer_at(value, "stabilizationWindowSeconds");
    if (window && *window < 0)
        report.invalid_number(path.field("stabilizationWindowSeconds"), *window,
                              "must be greater than or equal to zero");
    if (window && *window > hour)
        report.invalid_number(path.field("stabilizationWindowSeconds"), *window, "must be less than or equal to 3600");
    if (!has_items(value, "policies")) report.required(path.field("policies"), "must specify at least one Policy");
}

void policy(const json::object& value, const Path& path, Report& report) {
    constexpr std::int64_t half_hour = 1800;
    const auto amount = integer_at(value, "value").value_or(0), period = integer_at(value, "periodSeconds").value_or(0);
    if (amount <= 0) report.invalid_number(path.field("value"), amount, "must be greater than zero");
    if (period <= 0) report.invalid_number(path.field("periodSeconds"), period, "must be greater than zero");
    if (period > half_hour)
        report.invalid_number(path.field("periodSeconds"), period, "must be less than or equal to 1800");
}

constexpr CheckRow rows[] = {
    {"autoscaling.v1.CrossVersionObjectReference", reference},
    {"autoscaling.v1.HorizontalPodAutoscalerSpec", spec},
    {"autoscaling.v2.CrossVersionObjectReference", reference},
    {"autoscaling.v2.HPAScalingPolicy", policy},
    {"autoscaling.v2.HPAScalingRules", rules},
    {"autoscaling.v2.HorizontalPodAutoscalerSpec", spec},
    {"autoscaling.v2.MetricIdentifier", identifier},
    {"autoscaling.v2.MetricSpec", metric},
    {"autoscaling.v2.MetricTarget", target},
};

}  // namespace

std::span<const CheckRow> scaling_checks() { return rows; }

}  // namespace pila::cluster::kinds
