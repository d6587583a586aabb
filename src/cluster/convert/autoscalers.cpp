// SPDX-License-Identifier: Apache-2.0
// Autoscalers: autoscaling/v1 knows the mean use of processors only. What else there is stands in annotations, in the
// forms that Kubernetes gave it (k8s.io/kubernetes/pkg/apis/autoscaling/annotations.go names them).
#include <boost/json.hpp>
#include <optional>

#include "cluster/convert/metrics.h"
#include "cluster/convert/shapes.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::convert {

namespace {

constexpr const char* metrics_note = "autoscaling.alpha.kubernetes.io/metrics";
constexpr const char* current_note = "autoscaling.alpha.kubernetes.io/current-metrics";
constexpr const char* conditions_note = "autoscaling.alpha.kubernetes.io/conditions";
constexpr const char* behavior_note = "autoscaling.alpha.kubernetes.io/behavior";

// Behaviors are written with Go's names of the fields.
json::value with_first_letters(const json::value& value, bool upper) {
    if (value.is_array()) {
        json::array made;
        for (const auto& item : value.get_array()) made.push_back(with_first_letters(item, upper));
        return made;
    }
    if (!value.is_object()) return value;
    json::object made;
    for (const auto& [name, inner] : value.get_object()) {
        std::string changed(name);
        const bool is_upper = !changed.empty() && changed[0] >= 'A' && changed[0] <= 'Z';
        const bool is_lower = !changed.empty() && changed[0] >= 'a' && changed[0] <= 'z';
        if (upper ? is_lower : is_upper) changed[0] = static_cast<char>(changed[0] ^ 0x20);
        made[changed] = with_first_letters(inner, upper);
    }
    return made;
}

// An annotation's JSON, which goes. null: not there, or no JSON; clients may write anything.
json::value take_note(json::object& object, const char* name) {
    auto* notes = kinds::object_at(object, "metadata.annotations");
    const auto* text = notes ? kinds::find(*notes, name) : nullptr;
    if (!text || !text->is_string()) return nullptr;
    boost::system::error_code failed;
    json::parse_options limits;
    limits.max_depth = 32;
    auto parsed = json::parse(text->get_string(), failed, {}, limits);
    notes->erase(name);
    return failed ? json::value() : parsed;
}

void set_note(json::object& object, const char* name, const json::value& value) {
    auto* metadata = kinds::make_object(object, "metadata");
    auto* notes = metadata ? kinds::make_object(*metadata, "annotations") : nullptr;
    if (notes) (*notes)[name] = json::serialize(value);
}

bool is_cpu_use(const json::object& metric) {
    const auto* resource = kinds::object_at(metric, "resource");
    return kinds::text_at(metric, "type") == "Resource" && resource && kinds::text_at(*resource, "name") == "cpu";
}

void put_metrics(json::object& spec, const json::value& noted) {
    json::array metrics;
    if (noted.is_array())
        for (const auto& metric : noted.get_array())
            if (metric.is_object()) metrics.push_back(metric_from_note(metric.get_object(), MetricPart::Wish));
    if (const auto percent = kinds::integer_at(spec, "targetCPUUtilizationPercentage")) {
        const json::object target{{"type", "Utilization"}, {"averageUtilization", *percent}};
        metrics.push_back(
            json::object{{"type", "Resource"}, {"resource", json::object{{"name", "cpu"}, {"target", target}}}});
    }
    spec.erase("targetCPUUtilizationPercentage");
    if (!metrics.empty()) spec["metrics"] = std::move(metrics);
}

void put_status(json::object& status, const json::value& current, const json::value& conditions) {
    status.erase("currentCPUUtilizationPercentage");
    if (conditions.is_array()) status["conditions"] = conditions;
    if (!current.is_array()) return;
    json::array metrics;
    for (const auto& metric : current.get_array())
        if (metric.is_object()) metrics.push_back(metric_from_note(metric.get_object(), MetricPart::Finding));
    status["currentMetrics"] = std::move(metrics);
}

void to_stored(json::object& object) {
    const auto metrics = take_note(object, metrics_note), behavior = take_note(object, behavior_note);
    const auto current = take_note(object, current_note), conditions = take_note(object, conditions_note);
    if (auto* notes = kinds::object_at(object, "metadata.annotations"); notes && notes->empty())
        object["metadata"].get_object().erase("annotations");
    if (auto* spec = kinds::object_at(object, "spec")) {
        put_metrics(*spec, metrics);
        if (behavior.is_object()) (*spec)["behavior"] = with_first_letters(behavior, false);
    }
    if (auto* status = kinds::object_at(object, "status")) put_status(*status, current, conditions);
}

void show_spec(json::object& object, json::object& spec) {
    json::array others;
    std::optional<std::int64_t> wanted;  // put in afterwards: a new member moves those that are looked at
    kinds::each_object(kinds::list_at(std::as_const(spec), "metrics"), [&](const json::object& metric, std::size_t) {
        const auto* target = is_cpu_use(metric) ? kinds::object_at(metric, "resource.target") : nullptr;
        const auto percent = target ? kinds::integer_at(*target, "averageUtilization") : std::nullopt;
        if (!percent) return others.push_back(metric_to_note(metric, MetricPart::Wish));
        if (!wanted) wanted = percent;
    });
    if (wanted) kinds::set_absent(spec, "targetCPUUtilizationPercentage", *wanted);
    if (!others.empty()) set_note(object, metrics_note, others);
    if (const auto* behavior = kinds::find(spec, "behavior"))
        set_note(object, behavior_note, with_first_letters(*behavior, true));
    spec.erase("metrics");
    spec.erase("behavior");
}

void show_status(json::object& object, json::object& status) {
    json::array current;
    std::optional<std::int64_t> used;
    kinds::each_object(
        kinds::list_at(std::as_const(status), "currentMetrics"), [&](const json::object& metric, std::size_t) {
            current.push_back(metric_to_note(metric, MetricPart::Finding));
            const auto* value = is_cpu_use(metric) ? kinds::object_at(metric, "resource.current") : nullptr;
            const auto percent = value ? kinds::integer_at(*value, "averageUtilization") : std::nullopt;
            if (percent) used = percent;
        });
    if (used) status["currentCPUUtilizationPercentage"] = *used;
    if (!current.empty()) set_note(object, current_note, current);
    if (kinds::has_items(status, "conditions")) set_note(object, conditions_note, status.at("conditions"));
    status.erase("currentMetrics");
    status.erase("conditions");
    kinds::set_absent(status, "currentReplicas", 0);  // always there in this shape
}

void from_stored(json::object& object) {
    // Copies: annotations are added to the object meanwhile.
    if (auto* spec = kinds::object_at(object, "spec")) {
        auto shown = *spec;
        show_spec(object, shown);
        object["spec"] = std::move(shown);
    }
    if (auto* status = kinds::object_at(object, "status")) {
        auto shown = *status;
        show_status(object, shown);
        object["status"] = std::move(shown);
    }
}

constexpr ShapeRow row{"autoscaling", "HorizontalPodAutoscaler", to_stored, from_stored, nullptr};

}  // namespace

const ShapeRow* autoscaler_shape() { return &row; }

}  // namespace pila::cluster::convert
