// SPDX-License-Identifier: Apache-2.0
// Cells of nodes, of quotas, and of components of the control plane.
#include <map>
#include <set>

#include <fmt/core.h>

#include "cluster/table/code_internal.h"
#include "cluster/table/labels_internal.h"

namespace pila::cluster::table {

namespace {

void node_status(Row& row, Cell& cell) {
    View ready = find_condition(row.object["status"]["conditions"], "Ready");
    std::string text = !ready ? "Unknown" : ready["status"].text() == "True" ? "Ready" : "NotReady";
    if (row.object["spec"]["unschedulable"].is_true()) text += ",SchedulingDisabled";
    cell.text(text);
}

void node_roles(Row& row, Cell& cell) {
    constexpr std::string_view prefix = "node-role.kubernetes.io/";
    std::set<std::string_view> roles;
    for (const auto& label : row.object["metadata"]["labels"].map()) {
        auto key = key_of(label);
        auto role = key.starts_with(prefix)       ? key.substr(prefix.size())
                    : key == "kubernetes.io/role" ? View(label.value()).text()
                                                  : std::string_view();
        if (!role.empty()) roles.insert(role);
    }
    Joined joined;
    for (auto role : roles) joined.add(role);
    cell.text(joined.text("<none>"));
}

void address(const Row& row, Cell& cell, std::string_view type) {
    for (View address : row.object["status"]["addresses"].list())
        if (address["type"].text() == type) return cell.text(address["address"].text());
    cell.text("<none>");
}

void node_internal_ip(Row& row, Cell& cell) { address(row, cell, "InternalIP"); }
void node_external_ip(Row& row, Cell& cell) { address(row, cell, "ExternalIP"); }

std::string quota_text(const Row& row, bool limits) {
    View used = row.object["status"]["used"];
    std::map<std::string_view, View> hard;
    for (const auto& member : row.object["status"]["hard"].map())
        if (key_of(member).starts_with("limits.") == limits) hard.emplace(key_of(member), member.value());
    Joined joined(", ");
    for (const auto& [name, most] : hard)
        joined.add(fmt::format("{}: {}/{}", name, used[name].quantity("0"), most.quantity("0")));
    return joined.text();
}

void quota_requests(Row& row, Cell& cell) { cell.text(quota_text(row, false)); }
void quota_limits(Row& row, Cell& cell) { cell.text(quota_text(row, true)); }

View health(const Row& row) { return find_condition(row.object["conditions"], "Healthy"); }

void component_status(Row& row, Cell& cell) {
    View condition = health(row);
    cell.text(!condition ? "Unknown" : condition["status"].text() == "True" ? "Healthy" : "Unhealthy");
}

void component_message(Row& row, Cell& cell) { cell.text(health(row)["message"].text()); }
void component_error(Row& row, Cell& cell) { cell.text(health(row)["error"].text()); }

constexpr CodeCell cells[] = {
    {"node_status", "Whether the node is ready, and whether it takes new pods", node_status},
    {"node_roles", "What the node is for, by its labels", node_roles},
    {"node_internal_ip", "Address inside the cluster", node_internal_ip},
    {"node_external_ip", "Address outside of the cluster", node_external_ip},
    {"quota_requests", "Used, of what may be, for each resource and kind of object", quota_requests},
    {"quota_limits", "Used, of what the limits of all pods may add up to", quota_limits},
    {"component_status", "Whether the component is well", component_status},
    {"component_message", "What the component says", component_message},
    {"component_error", "What is wrong with the component", component_error},
};

}  // namespace

std::span<const CodeCell> node_cells() { return cells; }

}  // namespace pila::cluster::table
