// SPDX-License-Identifier: Apache-2.0
#pragma once
// Inside the room: metrics of autoscaling/v2, and as autoscaling/v1 writes them into annotations.

#include <boost/json/object.hpp>

namespace pila::cluster::convert {

namespace json = boost::json;

enum class MetricPart : std::uint8_t { Wish, Finding };  // of spec.metrics, of status.currentMetrics

json::object metric_from_note(const json::object& metric, MetricPart part);
json::object metric_to_note(const json::object& metric, MetricPart part);

}  // namespace pila::cluster::convert
