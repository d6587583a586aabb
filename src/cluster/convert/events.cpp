// SPDX-License-Identifier: Apache-2.0
// Events: those of events.k8s.io/v1 have other names for the same fields.
#include <boost/json.hpp>

#include "cluster/convert/shapes.h"

namespace pila::cluster::convert {

namespace {

struct Name {
    std::string_view shown, stored;
};

constexpr Name names[] = {
    {"regarding", "involvedObject"},
    {"note", "message"},
    {"reportingController", "reportingComponent"},
    {"deprecatedSource", "source"},
    {"deprecatedFirstTimestamp", "firstTimestamp"},
    {"deprecatedLastTimestamp", "lastTimestamp"},
    {"deprecatedCount", "count"},
};

void rename(json::object& object, std::string_view from, std::string_view to) {
    auto found = object.find(from);
    if (found == object.end()) return;
    auto value = std::move(found->value());
    object.erase(found);
    object[to] = std::move(value);
}

void to_stored(json::object& object) {
    for (const auto& name : names) rename(object, name.shown, name.stored);
}

void from_stored(json::object& object) {
    for (const auto& name : names) rename(object, name.stored, name.shown);
    if (!object.contains("eventTime")) object["eventTime"] = nullptr;  // always there in this shape
}

std::string_view stored_field(std::string_view field) {
    constexpr std::string_view regarding = "regarding.";
    if (field == "reportingController") return "reportingComponent";
    if (!field.starts_with(regarding)) return field;
    for (auto known : {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
                       "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath"})
        if (std::string_view(known).substr(std::string_view("involvedObject.").size()) ==
            field.substr(regarding.size()))
            return known;
    return field;
}

constexpr ShapeRow row{"events.k8s.io", "Event", to_stored, from_stored, stored_field};

}  // namespace

const ShapeRow* event_shape() { return &row; }

}  // namespace pila::cluster::convert
