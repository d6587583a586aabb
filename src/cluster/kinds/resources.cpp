// SPDX-License-Identifier: Apache-2.0
// Names and amounts of resources: what containers ask for, quotas, limit ranges.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cluster/kinds/names.h"
#include "cluster/kinds/resources.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

constexpr std::array<std::string_view, 8> counted{
    "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets", "services", "configmaps",
    "services.nodeports"};
constexpr std::array<std::string_view, 8> of_quotas{"cpu",
                                                    "memory",
                                                    "ephemeral-storage",
                                                    "requests.cpu",
                                                    "requests.memory",
                                                    "requests.storage",
                                                    "requests.ephemeral-storage",
                                                    "limits.cpu"};
constexpr std::array<std::string_view, 3> more_of_quotas{"limits.memory", "limits.ephemeral-storage",
                                                         "services.loadbalancers"};

template <typename Names>
bool is_among(const Names& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_native(std::string_view name) {
    return name.find('/') == std::string_view::npos || name.find("kubernetes.io/") != std::string_view::npos;
}

// Third parties' resources and huge pages cannot be promised twice: they are counted, whole.
bool is_extended(std::string_view name) { return !is_native(name) && !name.starts_with("requests."); }
bool is_whole(std::string_view name) {
    return is_extended(name) || is_among(counted, name) || name == "services.loadbalancers" ||
           name.starts_with("count/");
}
bool is_overcommittable(std::string_view name) { return is_native(name) && !name.starts_with("hugepages-"); }

void check_container_name(std::string_view name, const Path& path, Report& report) {
    if (const auto faults = qualified_name(name); !faults.empty()) return report.each_invalid(path, name, faults);
    const bool is_known =
        name == "cpu" || name == "memory" || name == "ephemeral-storage" || name.starts_with("hugepages-");
    if (name.find('/') == std::string_view::npos) {
        if (!is_known) report.invalid(path, name, "must be a standard resource for containers");
    } else if (!is_native(name) &&
               (name.starts_with("requests.") || !qualified_name("requests." + std::string(name)).empty())) {
        report.invalid(path, name, "doesn't follow extended resource name standard");
    }
}

void check_amounts(const json::object& value, std::string_view list, const Path& path, Report& report) {
    const auto* amounts = object_at(value, list);
    if (!amounts) return;
    for (const auto& amount : *amounts) {
        const Path at = path.key(list, amount.key());
        check_container_name(amount.key(), at, report);
        check_quantity(amount.key(), amount.value(), at, report);
    }
}

void requirements(const json::object& value, const Path& path, Report& report) {
    check_amounts(value, "limits", path, report);
    check_amounts(value, "requests", path, report);
    const auto *limits = object_at(value, "limits"), *requests = object_at(value, "requests");
    if (!requests) return;
    for (const auto& request : *requests) {
        const std::string_view name = request.key();
        const auto* limit_value = limits ? find(*limits, name) : nullptr;
        const auto asked = amount_of(&request.value()), limit = amount_of(limit_value);
        if (!limit_value && !is_overcommittable(name))
            report.required(path.field("limits"), "Limit must be set for non overcommitable resources");
        if (!asked || !limit) continue;
        if (!is_overcommittable(name) && *asked != *limit)
            report.invalid(path.field("requests"), asked->text(),
                           fmt::format("must be equal to {} limit of {}", name, limit->text()));
        else if (*asked > *limit)
            report.invalid(path.field("requests"), asked->text(),
                           fmt::format("must be less than or equal to {} limit of {}", name, limit->text()));
    }
}

void overhead(const json::object& value, const Path& path, Report& report) {
    if (!object_at(value, "overhead")) return;
    check_amounts(value, "overhead", path, report);
}

constexpr CheckRow rows[] = {{"core.v1.ResourceRequirements", requirements}, {"node.v1.Overhead", overhead}};

}  // namespace

std::optional<codec::Quantity> amount_of(const json::value* value) {
    if (!value || !value->is_string()) return std::nullopt;
    auto parsed = codec::Quantity::parse(text_of(*value));
    if (!parsed) return std::nullopt;
    return *parsed;
}

void check_quantity(std::string_view resource, const json::value& value, const Path& path, Report& report) {
    const auto amount = amount_of(&value);
    if (!amount) return;
    if (amount->is_negative()) report.invalid(path, amount->text(), "must be greater than or equal to 0");
    if (is_whole(resource) && amount->milli() % 1000 != 0) report.invalid(path, amount->text(), "must be an integer");
}

void check_quota_name(std::string_view name, const Path& path, Report& report) {
    report.each_invalid(path, name, qualified_name(name));
    if (name.find('/') != std::string_view::npos) return;
    const bool is_standard = is_among(counted, name) || is_among(of_quotas, name) || is_among(more_of_quotas, name) ||
                             name.starts_with("hugepages-") || name.starts_with("requests.hugepages-");
    if (!is_standard) report.invalid(path, name, "must be a standard resource for quota");
}

std::optional<int> compare_amounts(const json::object& object, std::string_view left, const json::object& other,
                                   std::string_view right) {
    const auto first = amount_of(find(object, left)), second = amount_of(find(other, right));
    if (!first || !second) return std::nullopt;
    return *first < *second ? -1 : *first > *second ? 1 : 0;
}

std::string amount_text(const json::object& object, std::string_view name) {
    const auto amount = amount_of(find(object, name));
    return amount ? amount->text() : std::string();
}

bool is_positive_amount(const json::value& value) {
    const auto amount = amount_of(&value);
    return !amount || (!amount->is_negative() && !amount->is_zero());
}

std::span<const CheckRow> resource_checks() { return rows; }

}  // namespace pila::cluster::kinds
