// SPDX-License-Identifier: Apache-2.0
// One walk over an object and its schema: the rules that the schema itself says (required fields, closed sets,
// quantities) and, at each value, the rows of its type.
#include <algorithm>
#include <array>

#include "cluster/codec/quantity.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

using schema::Field;
using schema::Form;
using schema::Node;
using schema::Type;

constexpr int deepest = 128;  // schemas in definitions refer to themselves; bodies end at 100

// Required by the schema in name only ("" or an empty list is legal there), or because the topic's own rule says more.
struct Exception {
    std::string_view type, field;
};
constexpr std::array<Exception, 35> not_required{{
    {"AppArmorProfile", "localhostProfile"},
    {"CSINodeSpec", "drivers"},
    {"CertificateSigningRequestSpec", "request"},
    {"Condition", "message"},
    {"ConfigMapKeySelector", "name"},
    {"DaemonEndpoint", "Port"},
    {"Endpoint", "addresses"},
    {"EndpointAddress", "ip"},
    {"EndpointSlice", "endpoints"},
    {"HTTPGetAction", "port"},
    {"HTTPHeader", "name"},
    {"HTTPHeader", "value"},
    {"HostAlias", "ip"},
    {"JSONSchemaProps", "required"},
    {"LabelSelectorRequirement", "key"},
    {"LabelSelectorRequirement", "operator"},
    {"LimitRangeItem", "type"},
    {"LimitRangeSpec", "limits"},
    {"MutatingWebhook", "clientConfig"},
    {"NodeSelectorRequirement", "key"},
    {"NodeSelectorRequirement", "operator"},
    {"PodFailurePolicy", "rules"},
    {"PodFailurePolicyOnExitCodesRequirement", "values"},
    {"PodReadinessGate", "conditionType"},
    {"PodSchedulingGate", "name"},
    {"PolicyRule", "verbs"},
    {"RuntimeClass", "handler"},
    {"ScopedResourceSelectorRequirement", "operator"},
    {"ScopedResourceSelectorRequirement", "scopeName"},
    {"Sysctl", "value"},
    {"TCPSocketAction", "port"},
    {"Taint", "key"},
    {"TokenRequestSpec", "audiences"},
    {"TopologySelectorLabelRequirement", "key"},
    {"ValidatingWebhook", "clientConfig"},
}};

// What "Required value" adds.
struct Detail {
    std::string_view type, field, text;
};
constexpr std::array<Detail, 20> details{{
    {"AppArmorProfile", "type", "type is required when appArmorProfile is set"},
    {"ContainerResourceMetricSource", "container", "must specify a container"},
    {"ContainerResourceMetricSource", "name", "must specify a resource name"},
    {"HTTPIngressPath", "pathType", "pathType must be specified"},
    {"MetricSpec", "type", "must specify a metric source type"},
    {"MetricTarget", "type", "must specify a metric target type"},
    {"MutatingWebhook", "admissionReviewVersions", "must specify one of v1, v1beta1"},
    {"MutatingWebhook", "sideEffects", "must specify one of None, NoneOnDryRun"},
    {"NodeSelector", "nodeSelectorTerms", "must have at least one node selector term"},
    {"PodAffinityTerm", "topologyKey", "can not be empty"},
    {"ResourceMetricSource", "name", "must specify a resource name"},
    {"SeccompProfile", "type", "type is required when seccompProfile is set"},
    {"ServiceReference", "name", "service name is required"},
    {"ServiceReference", "namespace", "service namespace is required"},
    {"Subject", "name", ""},
    {"SuccessPolicy", "rules", "at least one rules must be specified when the successPolicy is specified"},
    {"TopologySpreadConstraint", "topologyKey", "can not be empty"},
    {"ValidatingWebhook", "admissionReviewVersions", "must specify one of v1, v1beta1"},
    {"ValidatingWebhook", "sideEffects", "must specify one of None, NoneOnDryRun"},
    {"VolumeNodeAffinity", "required", "must specify required node constraints"},
}};

// Closed sets that are refused as an invalid value, with these words; "": left to the topic's own rule.
constexpr std::array<Detail, 8> invalid_sets{{
    {"Container", "restartPolicy", ""},
    {"LabelSelectorRequirement", "operator", ""},
    {"MetricTarget", "type", "must be either Utilization, Value, or AverageValue"},
    {"NodeSelectorRequirement", "operator", ""},
    {"ScopedResourceSelectorRequirement", "operator", ""},
    {"ScopedResourceSelectorRequirement", "scopeName", "unsupported scope"},
    {"StatefulSetSpec", "podManagementPolicy", "must be 'OrderedReady' or 'Parallel'"},
    {"StatefulSetUpdateStrategy", "type", "must be 'RollingUpdate' or 'OnDelete'"},
}};

template <typename Rows>
auto find_row(const Rows& rows, const Type& type, const Field& field) {
    return std::find_if(rows.begin(), rows.end(),
                        [&](const auto& row) { return row.type == type.name && row.field == field.name; });
}

bool is_skipped(const Type& type, const Field& field) {
    return type.is_object && (field.name == "metadata" || field.name == "status");
}

class Checker {
public:
    explicit Checker(Report& report) : report_(report) {}

    void message(const json::object& object, const Type& type, const Path& path, int depth = 0) {
        if (depth > deepest || report_.is_full()) return;
        for (const auto& field : type.fields) {
            if (is_skipped(type, field)) continue;
            const auto* value = find(object, field.name);
            const Path at = path.field(field.name);
            if (field.required) required(type, field, value, at);
            if (!value) continue;
            if (!field.allowed.empty()) closed_set(type, field, *value, at);
            visit(*value, field.node, at, depth);
        }
        if (const auto* row = find_checks(type.full_name)) row->check(object, path, report_);
    }

private:
    void visit(const json::value& value, const Node& node, const Path& path, int depth) {
        if (node.form == Form::Message && node.type) {
            if (const auto* object = value.if_object())
                if (node.type->name != "ObjectMeta") message(*object, *node.type, path, depth + 1);
        } else if (node.form == Form::List && node.items) {
            const auto* list = value.if_array();
            for (std::size_t i = 0; list && i < list->size(); ++i)
                visit((*list)[i], *node.items, path.item(i), depth + 1);
        } else if (node.form == Form::Map && node.items) {
            if (const auto* map = value.if_object())
                for (const auto& member : *map) visit(member.value(), *node.items, path.key(member.key()), depth + 1);
        } else if (node.form == Form::Quantity) {
            quantity(value, path);
        }
    }

    void required(const Type& type, const Field& field, const json::value* value, const Path& path) {
        bool missing = !value;
        switch (field.node.form) {
            case Form::String: missing = missing || (value->is_string() && value->get_string().empty()); break;
            case Form::List: missing = missing || (value->is_array() && value->get_array().empty()); break;
            case Form::Bytes:
            case Form::Map:
            case Form::Message: break;
            default: return;  // numbers and flags: zero is a value, or the topic's rule says which are not
        }
        if (!missing || find_row(not_required, type, field) != not_required.end()) return;
        const auto detail = find_row(details, type, field);
        report_.required(path, detail == details.end() ? std::string_view() : detail->text);
    }

    void closed_set(const Type& type, const Field& field, const json::value& value, const Path& path) {
        const auto* list = value.if_array();
        const auto exception = find_row(invalid_sets, type, field);
        auto check = [&](const json::value& element, const Path& at) {
            const auto text = text_of(element);
            // "" is "not said": a default follows, or the field is required and that was reported.
            if (text.empty() || std::find(field.allowed.begin(), field.allowed.end(), text) != field.allowed.end())
                return;
            if (exception == invalid_sets.end())
                report_.add(not_supported(at.text(), text, field.allowed));
            else if (!exception->text.empty())
                report_.invalid(at, text, exception->text);
        };
        if (!list) return check(value, path);
        for (std::size_t i = 0; i < list->size(); ++i) check((*list)[i], path.item(i));
    }

    void quantity(const json::value& value, const Path& path) {
        const auto* text = value.if_string();
        if (text && !codec::Quantity::parse(*text))
            report_.invalid(path, value,
                            "quantities must match the regular expression "
                            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    }

    Report& report_;
};

void fill(json::object& object, const Type& type, int depth);

void fill_value(json::value& value, const Node& node, int depth) {
    if (node.form == Form::Message && node.type) {
        if (auto* object = value.if_object(); object && node.type->name != "ObjectMeta")
            fill(*object, *node.type, depth + 1);
    } else if (node.form == Form::List && node.items) {
        if (auto* list = value.if_array())
            for (auto& element : *list) fill_value(element, *node.items, depth + 1);
    } else if (node.form == Form::Map && node.items) {
        if (auto* map = value.if_object())
            for (auto& member : *map) fill_value(member.value(), *node.items, depth + 1);
    }
}

void fill(json::object& object, const Type& type, int depth) {
    if (depth > deepest) return;
    if (const auto* row = find_defaults(type.full_name)) row->fill(object);
    for (const auto& field : type.fields) {
        if (is_skipped(type, field)) continue;
        if (field.node.form != Form::Message && field.node.form != Form::List && field.node.form != Form::Map) continue;
        if (auto* value = object.if_contains(field.name)) fill_value(*value, field.node, depth);
    }
}

}  // namespace

void walk_defaults(json::object& object, const schema::Type& type) { fill(object, type, 0); }

void walk_checks(const json::object& object, const schema::Type& type, Report& report) {
    Checker(report).message(object, type, Path());
}

}  // namespace pila::cluster::kinds
