// SPDX-License-Identifier: Apache-2.0
// Quotas and limit ranges of namespaces; priorities and classes of runtimes.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "cluster/kinds/names.h"
#include "cluster/kinds/resources.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void check_scope_pairs(const std::set<std::string_view>& scopes, const json::value& value, const Path& path,
                       Report& report) {
    if ((scopes.contains("BestEffort") && scopes.contains("NotBestEffort")) ||
        (scopes.contains("Terminating") && scopes.contains("NotTerminating")))
        report.invalid(path, value, "conflicting scopes");
}

void quota_spec(const json::object& value, const Path& path, Report& report) {
    if (const auto* hard = object_at(value, "hard"))
        for (const auto& amount : *hard) {
            const Path at = path.key("hard", amount.key());
            check_quota_name(amount.key(), at, report);
            check_quantity(amount.key(), amount.value(), at, report);
        }
    const auto* scopes = list_at(value, "scopes");
    if (!scopes) return;
    std::set<std::string_view> given;
    for (const auto& scope : *scopes) given.insert(text_of(scope));
    const auto* hard = object_at(value, "hard");
    if (given.contains("BestEffort") && hard)
        for (const auto& amount : *hard)
            if (amount.key() != "pods" && amount.key().find('/') == json::string_view::npos)
                report.invalid(path.field("scopes"), json::value(*scopes), "unsupported scope applied to resource");
    check_scope_pairs(given, json::value(*scopes), path.field("scopes"), report);
}

void scope_requirement(const json::object& value, const Path& path, Report& report) {
    const auto scope = text_at(value, "scopeName"), operation = text_at(value, "operator");
    if (scope != "PriorityClass" && !scope.empty() && operation != "Exists")
        report.invalid(path.field("operator"), operation,
                       "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
                       "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                       "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
    const bool has_values = has_items(value, "values");
    if (operation == "In" || operation == "NotIn") {
        if (!has_values)
            report.required(path.field("values"),
                            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    } else if (operation == "Exists" || operation == "DoesNotExist") {
        if (has_values)
            report.invalid(path.field("values"), *find(value, "values"),
                           "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
    } else {
        report.invalid(path.field("operator"), operation, "not a valid selector operator");
    }
}

// One of two amounts of a limit must not exceed the other: `words` names them.
struct Order {
    std::string_view less, more, field, words;
};
constexpr Order orders[] = {
    {"min", "max", "min", "min value {} is greater than max value {}"},
    {"min", "defaultRequest", "defaultRequest", "min value {} is greater than default request value {}"},
    {"defaultRequest", "max", "defaultRequest", "default request value {} is greater than max value {}"},
    {"defaultRequest", "default", "defaultRequest", "default request value {} is greater than default limit value {}"},
    {"min", "default", "default", "min value {} is greater than default value {}"},
    {"default", "max", "default", "default value {} is greater than max value {}"},
};

void check_orders(const json::object& value, const Path& path, Report& report) {
    for (const auto& order : orders) {
        const auto *less = object_at(value, order.less), *more = object_at(value, order.more);
        if (!less || !more) continue;
        for (const auto& amount : *less) {
            const std::string_view name = amount.key();
            if (compare_amounts(*less, name, *more, name).value_or(0) <= 0) continue;
            const auto* shown = object_at(value, order.field);
            report.invalid(path.key(order.field, name), amount_text(*shown, name),
                           fmt::format(fmt::runtime(order.words), amount_text(*less, name), amount_text(*more, name)));
        }
    }
}

void limit_item(const json::object& value, const Path& path, Report& report) {
    const auto type = text_at(value, "type");
    const Path at = path.field("type");
    if (const auto faults = qualified_name(type); !faults.empty())
        report.each_invalid(at, type, faults);
    else if (type.find('/') == std::string_view::npos && type != "Pod" && type != "Container" &&
             type != "PersistentVolumeClaim")
        report.invalid(at, type, "must be a standard limit type or fully qualified");
    if (type == "Pod")
        for (auto name : {"default", "defaultRequest"})
            if (has_items(value, name)) report.forbidden(path.field(name), "may not be specified when `type` is 'Pod'");
    if (type == "PersistentVolumeClaim") {
        const auto *least = object_at(value, "min"), *most = object_at(value, "max");
        if (!(least && has(*least, "storage")) && !(most && has(*most, "storage")))
            report.required(path.field("limits"),
                            "either minimum or maximum storage value is required, but neither was provided");
    }
    check_orders(value, path, report);
    const json::object one{{"", "1"}};
    if (const auto* ratios = object_at(value, "maxLimitRequestRatio"))
        for (const auto& ratio : *ratios)
            if (compare_amounts(*ratios, ratio.key(), one, "").value_or(0) < 0)
                report.invalid(path.key("maxLimitRequestRatio", ratio.key()), ratio.value(),
                               fmt::format("ratio {} is less than 1", amount_text(*ratios, ratio.key())));
}

void limit_spec(const json::object& value, const Path& path, Report& report) {
    std::set<std::string_view> types;
    each_object(list_at(value, "limits"), [&](const json::object& item, std::size_t i) {
        const Path at = path.item("limits", i);
        if (!types.insert(text_at(item, "type")).second) report.duplicate(at.field("type"), text_at(item, "type"));
    });
}

void priority_class(const json::object& value, const Path& path, Report& report) {
    constexpr std::int64_t most_of_users = 1'000'000'000;
    const auto* metadata = object_at(value, "metadata");
    const auto name = metadata ? text_at(*metadata, "name") : std::string_view();
    const auto number = integer_at(value, "value").value_or(0);
    const bool is_known = (name == "system-cluster-critical" && number == 2'000'000'000) ||
                          (name == "system-node-critical" && number == 2'000'001'000);
    if (name.starts_with("system-")) {
        if (!is_known)
            report.forbidden(path.field("metadata.name"),
                             "priority class names with 'system-' prefix are reserved for system use only. error: " +
                                 fmt::format("{} is not a known system priority class", name));
    } else if (number > most_of_users) {
        report.forbidden(path.field("value"),
                         fmt::format("maximum allowed value of a user defined priority is {}", most_of_users));
    }
}

void runtime_class(const json::object& value, const Path& path, Report& report) {
    const auto handler = text_at(value, "handler");
    report.each_invalid(path.field("handler"), handler, dns_label(handler));
    if (const auto* scheduling = object_at(value, "scheduling"))
        check_labels(*scheduling, "nodeSelector", path.field("scheduling.nodeSelector"), report);
}

constexpr CheckRow rows[] = {
    {"core.v1.LimitRangeItem", limit_item},    {"core.v1.LimitRangeSpec", limit_spec},
    {"core.v1.ResourceQuotaSpec", quota_spec}, {"core.v1.ScopedResourceSelectorRequirement", scope_requirement},
    {"node.v1.RuntimeClass", runtime_class},   {"scheduling.v1.PriorityClass", priority_class},
};

}  // namespace

std::span<const CheckRow> quota_checks() { return rows; }

}  // namespace pila::cluster::kinds
