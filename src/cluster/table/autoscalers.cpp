// SPDX-License-Identifier: Apache-2.0
// Cells of horizontal pod autoscalers, in both versions of the kind.
#include <fmt/core.h>

#include "cluster/table/code_internal.h"
#include "cluster/table/labels_internal.h"

namespace pila::cluster::table {

namespace {

constexpr std::string_view unknown = "<unknown>";

std::string percent(View number, std::string_view otherwise) {
    auto value = number.integer();
    return value ? fmt::format("{}%", *value) : std::string(otherwise);
}

// Of a resource: an amount for each pod if one is asked for, else a share of what pods request.
std::string resource_text(View specified, View reported) {
    View target = specified["target"], current = reported["current"];
    if (target["averageValue"])
        return fmt::format("{}: {}/{}", specified["name"].text(), current["averageValue"].quantity(unknown),
                           target["averageValue"].quantity(unknown));
    return fmt::format("{}: {}/{}", specified["name"].text(), percent(current["averageUtilization"], unknown),
                       percent(target["averageUtilization"], "<auto>"));
}

// Of an object, or of something outside of the cluster: for each pod or as a whole.
std::string value_text(View specified, View reported) {
    View target = specified["target"], current = reported["current"];
    if (target["averageValue"])
        return fmt::format("{}/{} (avg)", current["averageValue"].quantity(unknown),
                           target["averageValue"].quantity(unknown));
    return fmt::format("{}/{}", current["value"].quantity(unknown), target["value"].quantity(unknown));
}

std::string metric_text(View specified, View reported) {
    auto type = specified["type"].text();
    if (type == "Resource") return resource_text(specified["resource"], reported["resource"]);
    if (type == "ContainerResource")
        return resource_text(specified["containerResource"], reported["containerResource"]);
    if (type == "External") return value_text(specified["external"], reported["external"]);
    if (type == "Object") return value_text(specified["object"], reported["object"]);
    if (type == "Pods")
        return fmt::format("{}/{}", reported["pods"]["current"]["averageValue"].quantity(unknown),
                           specified["pods"]["target"]["averageValue"].quantity(unknown));
    return "<unknown type>";
}

void hpa_targets(Row& row, Cell& cell) {
    View spec = row.object["spec"], status = row.object["status"];
    if (View utilization = spec["targetCPUUtilizationPercentage"])  // autoscaling/v1
        return cell.text(fmt::format("cpu: {}/{}", percent(status["currentCPUUtilizationPercentage"], unknown),
                                     percent(utilization, "<auto>")));
    const auto& reported = status["currentMetrics"].list();
    Joined joined(", ", 2);
    for (View metric : spec["metrics"].list())
        joined.add(metric_text(metric, joined.count() < reported.size() ? View(reported[joined.count()]) : View()));
    cell.text(joined.text("<none>"));
}

void scale_target(Row& row, Cell& cell) {
    View target = row.object["spec"]["scaleTargetRef"];
    cell.text(fmt::format("{}/{}", target["kind"].text(), target["name"].text()));
}

constexpr CodeCell cells[] = {
    {"hpa_targets", "What is measured against what is wanted, for each metric", hpa_targets},
    {"scale_target", "The object whose replicas it sets", scale_target},
};

}  // namespace

std::span<const CodeCell> autoscaler_cells() { return cells; }

}  // namespace pila::cluster::table
