// SPDX-License-Identifier: Apache-2.0
// Label selectors and node selectors, wherever they stand.
#include <algorithm>

#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void label_selector(const json::object& value, const Path& path, Report& report) {
    check_labels(value, "matchLabels", path.field("matchLabels"), report);
}

// In and NotIn need values, Exists and DoesNotExist none. False: another operator.
bool check_values(const json::object& value, const Path& path, Report& report) {
    const auto operation = text_at(value, "operator");
    const bool has_values = has_items(value, "values");
    if (operation == "In" || operation == "NotIn") {
        if (!has_values) report.required(path.field("values"), "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (operation == "Exists" || operation == "DoesNotExist") {
        if (has_values)
            report.forbidden(path.field("values"),
                             "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else {
        return false;
    }
    return true;
}

void check_label_values(const json::object& value, const Path& path, Report& report) {
    const auto* values = list_at(value, "values");
    for (std::size_t i = 0; values && i < values->size(); ++i) {
        const auto text = text_of((*values)[i]);
        report.each_invalid(path.item("values", i), text, label_value(text));
    }
}

void label_requirement(const json::object& value, const Path& path, Report& report) {
    if (!check_values(value, path, report))
        report.invalid(path.field("operator"), text_at(value, "operator"), "not a valid selector operator");
    check_label_key(text_at(value, "key"), path.field("key"), report);
    check_label_values(value, path, report);
}

void check_node_requirement(const json::object& value, const Path& path, Report& report) {
    const auto operation = text_at(value, "operator");
    if (operation == "Gt" || operation == "Lt") {
        const auto* values = list_at(value, "values");
        if (!values || values->size() != 1)
            report.required(path.field("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
    } else if (!check_values(value, path, report)) {
        report.invalid(path.field("operator"), operation, "not a valid selector operator");
    }
    check_label_key(text_at(value, "key"), path.field("key"), report);
    check_label_values(value, path, report);
}

void check_node_field(const json::object& value, const Path& path, Report& report) {
    const auto operation = text_at(value, "operator"), key = text_at(value, "key");
    const auto* values = list_at(value, "values");
    if (operation != "In" && operation != "NotIn")
        report.invalid(path.field("operator"), operation, "not a valid selector operator");
    else if (!values || values->size() != 1)
        report.required(path.field("values"),
                        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
    if (key != "metadata.name") return report.invalid(path.field("key"), key, "not a valid field selector key");
    for (std::size_t i = 0; values && i < values->size(); ++i) {
        const auto text = text_of((*values)[i]);
        report.each_invalid(path.item("values", i), text, dns_subdomain(text));
    }
}

void node_term(const json::object& value, const Path& path, Report& report) {
    each_object(list_at(value, "matchExpressions"), [&](const json::object& requirement, std::size_t i) {
        check_node_requirement(requirement, path.item("matchExpressions", i), report);
    });
    each_object(list_at(value, "matchFields"), [&](const json::object& requirement, std::size_t i) {
        check_node_field(requirement, path.item("matchFields", i), report);
    });
}

void topology_term(const json::object& value, const Path& path, Report& report) {
    std::vector<std::string_view> keys;
    each_object(list_at(value, "matchLabelExpressions"), [&](const json::object& requirement, std::size_t i) {
        const Path at = path.item("matchLabelExpressions", i);
        const auto key = text_at(requirement, "key");
        if (std::find(keys.begin(), keys.end(), key) != keys.end()) report.duplicate(at.field("key"), key);
        keys.push_back(key);
        check_label_key(key, at.field("key"), report);
        const auto* values = list_at(requirement, "values");
        for (std::size_t j = 0; values && j < values->size(); ++j)
            if (std::find(values->begin(), values->begin() + static_cast<std::ptrdiff_t>(j), (*values)[j]) !=
                values->begin() + static_cast<std::ptrdiff_t>(j))
                report.duplicate(at.item("values", j), text_of((*values)[j]));
    });
}

bool matches(const json::object& requirement, const json::object& labels) {
    const auto* label = labels.if_contains(text_at(requirement, "key"));
    const auto operation = text_at(requirement, "operator");
    if (operation == "Exists") return label != nullptr;
    if (operation == "DoesNotExist") return label == nullptr;
    const auto* values = list_at(requirement, "values");
    const bool listed = label && values && std::find(values->begin(), values->end(), *label) != values->end();
    return operation == "In" ? listed : operation == "NotIn" && !listed;
}

constexpr CheckRow rows[] = {
    {"core.v1.NodeSelectorTerm", node_term},
    {"core.v1.TopologySelectorTerm", topology_term},
    {"meta.v1.LabelSelector", label_selector},
    {"meta.v1.LabelSelectorRequirement", label_requirement},
};

}  // namespace

bool is_selected(const json::object* selector, const json::object* labels) {
    static const json::object nothing;
    if (!selector) return false;
    const auto& tags = labels ? *labels : nothing;
    if (const auto* wanted = object_at(*selector, "matchLabels"))
        for (const auto& label : *wanted) {
            const auto* value = tags.if_contains(label.key());
            if (!value || *value != label.value()) return false;
        }
    bool all = true;
    each_object(list_at(*selector, "matchExpressions"),
                [&](const json::object& requirement, std::size_t) { all = all && matches(requirement, tags); });
    return all;
}

std::span<const CheckRow> selector_checks() { return rows; }

}  // namespace pila::cluster::kinds
