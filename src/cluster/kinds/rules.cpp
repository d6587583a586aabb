// SPDX-License-Identifier: Apache-2.0
#include "cluster/kinds/rules.h"

#include <algorithm>
#include <initializer_list>
#include <vector>

namespace pila::cluster::kinds {

namespace {

// "io.k8s.api.core.v1.PodSpec" -> "core.v1.PodSpec"
std::string_view last_three(std::string_view full_name) {
    auto dot = std::string_view::npos;
    for (int i = 0; i < 3; ++i) {
        if (dot == 0) return full_name;
        dot = full_name.rfind('.', dot == std::string_view::npos ? dot : dot - 1);
        if (dot == std::string_view::npos) return full_name;
    }
    return full_name.substr(dot + 1);
}

template <typename Row>
std::vector<Row> sorted(std::initializer_list<std::span<const Row>> tables) {
    std::vector<Row> rows;
    for (const auto& table : tables) rows.insert(rows.end(), table.begin(), table.end());
    std::sort(rows.begin(), rows.end(), [](const Row& left, const Row& right) { return left.type < right.type; });
    return rows;
}

template <typename Row>
const Row* find_row(const std::vector<Row>& rows, std::string_view full_name) {
    const auto type = last_three(full_name);
    const auto found = std::lower_bound(rows.begin(), rows.end(), type,
                                        [](const Row& row, std::string_view wanted) { return row.type < wanted; });
    return found != rows.end() && found->type == type ? &*found : nullptr;
}

}  // namespace

const DefaultRow* find_defaults(std::string_view full_name) {
    static const auto rows = sorted<DefaultRow>(
        {pod_defaults(), workload_defaults(), service_defaults(), policy_defaults(), machinery_defaults()});
    return find_row(rows, full_name);
}

const CheckRow* find_checks(std::string_view full_name) {
    static const auto rows = sorted<CheckRow>(
        {pod_checks(),     container_checks(), probe_checks(),    scheduling_checks(),    security_checks(),
         volume_checks(),  storage_checks(),   selector_checks(), workload_checks(),      job_checks(),
         service_checks(), endpoint_checks(),  network_checks(),  configuration_checks(), resource_checks(),
         quota_checks(),   access_checks(),    scaling_checks(),  webhook_checks(),       definition_checks()});
    return find_row(rows, full_name);
}

const UpdateRow* find_updates(std::string_view full_name) {
    static const auto rows = sorted<UpdateRow>({pod_updates(), workload_updates(), other_updates()});
    return find_row(rows, full_name);
}

}  // namespace pila::cluster::kinds
