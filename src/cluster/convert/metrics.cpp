// SPDX-License-Identifier: Apache-2.0
#include "cluster/convert/metrics.h"

#include <boost/json.hpp>

#include "cluster/kinds/tree.h"

namespace pila::cluster::convert {

namespace {

// One field of a source: its name in the annotation, its path in autoscaling/v2.
struct Row {
    MetricPart part;
    std::string_view source, noted, path;
};

constexpr auto wish = MetricPart::Wish, finding = MetricPart::Finding;

constexpr Row rows[] = {
    {wish, "resource", "name", "name"},
    {wish, "resource", "targetAverageUtilization", "target.averageUtilization"},
    {wish, "resource", "targetAverageValue", "target.averageValue"},
    {wish, "containerResource", "name", "name"},
    {wish, "containerResource", "container", "container"},
    {wish, "containerResource", "targetAverageUtilization", "target.averageUtilization"},
    {wish, "containerResource", "targetAverageValue", "target.averageValue"},
    {wish, "pods", "metricName", "metric.name"},
    {wish, "pods", "selector", "metric.selector"},
    {wish, "pods", "targetAverageValue", "target.averageValue"},
    {wish, "object", "target", "describedObject"},
    {wish, "object", "metricName", "metric.name"},
    {wish, "object", "selector", "metric.selector"},
    {wish, "object", "targetValue", "target.value"},
    {wish, "object", "averageValue", "target.averageValue"},
    {wish, "external", "metricName", "metric.name"},
    {wish, "external", "metricSelector", "metric.selector"},
    {wish, "external", "targetValue", "target.value"},
    {wish, "external", "targetAverageValue", "target.averageValue"},
    {finding, "resource", "name", "name"},
    {finding, "resource", "currentAverageUtilization", "current.averageUtilization"},
    {finding, "resource", "currentAverageValue", "current.averageValue"},
    {finding, "containerResource", "name", "name"},
    {finding, "containerResource", "container", "container"},
    {finding, "containerResource", "currentAverageUtilization", "current.averageUtilization"},
    {finding, "containerResource", "currentAverageValue", "current.averageValue"},
    {finding, "pods", "metricName", "metric.name"},
    {finding, "pods", "selector", "metric.selector"},
    {finding, "pods", "currentAverageValue", "current.averageValue"},
    {finding, "object", "target", "describedObject"},
    {finding, "object", "metricName", "metric.name"},
    {finding, "object", "selector", "metric.selector"},
    {finding, "object", "currentValue", "current.value"},
    {finding, "object", "averageValue", "current.averageValue"},
    {finding, "external", "metricName", "metric.name"},
    {finding, "external", "metricSelector", "metric.selector"},
    {finding, "external", "currentValue", "current.value"},
    {finding, "external", "currentAverageValue", "current.averageValue"},
};

const json::value* value_at(const json::object& object, std::string_view path) {
    auto dot = path.find('.');
    if (dot == path.npos) return kinds::find(object, path);
    const auto* outer = kinds::object_at(object, path.substr(0, dot));
    return outer ? kinds::find(*outer, path.substr(dot + 1)) : nullptr;
}

void put_at(json::object& object, std::string_view path, const json::value& value) {
    auto dot = path.find('.');
    if (dot == path.npos) {
        object[path] = value;
        return;
    }
    if (auto* outer = kinds::make_object(object, path.substr(0, dot))) (*outer)[path.substr(dot + 1)] = value;
}

// What autoscaling/v1 leaves to whoever reads: by which amount is asked for.
void name_target(json::object& source) {
    auto* target = kinds::make_object(source, "target");
    if (!target) return;
    const auto* type = kinds::has(*target, "averageUtilization") ? "Utilization"
                       : kinds::has(*target, "averageValue")     ? "AverageValue"
                                                                 : "Value";
    (*target)["type"] = type;
}

}  // namespace

json::object metric_from_note(const json::object& metric, MetricPart part) {
    json::object made;
    if (const auto* type = kinds::find(metric, "type")) made["type"] = *type;
    for (const auto& row : rows) {
        const auto* noted = row.part == part ? kinds::object_at(metric, row.source) : nullptr;
        const auto* value = noted ? kinds::find(*noted, row.noted) : nullptr;
        // Amounts that Go always writes: a zero beside an average is none.
        if (!value || (*value == "0" && row.path.ends_with(".value") && kinds::has(*noted, "averageValue"))) continue;
        if (auto* source = kinds::make_object(made, row.source)) put_at(*source, row.path, *value);
    }
    if (part == MetricPart::Wish)
        for (auto& [name, source] : made)
            if (source.is_object()) name_target(source.get_object());
    return made;
}

json::object metric_to_note(const json::object& metric, MetricPart part) {
    json::object made;
    if (const auto* type = kinds::find(metric, "type")) made["type"] = *type;
    for (const auto& row : rows) {
        const auto* source = row.part == part ? kinds::object_at(metric, row.source) : nullptr;
        const auto* value = source ? value_at(*source, row.path) : nullptr;
        if (!value) continue;
        if (auto* noted = kinds::make_object(made, row.source)) (*noted)[row.noted] = *value;
    }
    return made;
}

}  // namespace pila::cluster::convert
