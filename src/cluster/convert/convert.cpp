// SPDX-License-Identifier: Apache-2.0
#include "cluster/convert/convert.h"

#include <boost/json.hpp>

#include "cluster/convert/shapes.h"
#include "cluster/kinds/kinds.h"

namespace pila::cluster::convert {

namespace {

const ShapeRow* row_of(const schema::Kind& kind) {
    for (const auto& row : {event_shape(), autoscaler_shape()})
        if (row->kind == kind.name && row->group == kind.group_version.group) return row;
    return nullptr;
}

}  // namespace

void to_stored(json::object& object, const schema::Kind& kind) {
    const auto* row = kind.stored ? row_of(kind) : nullptr;
    if (!row) return;
    row->to_stored(object);
    object["apiVersion"] = kind.stored->group_version.text();
    kinds::set_defaults(object, *kind.stored);  // as if it had come in that shape
}

void from_stored(json::object& object, const schema::Kind& kind) {
    const auto* row = kind.stored ? row_of(kind) : nullptr;
    if (!row) return;
    row->from_stored(object);
    object["apiVersion"] = kind.group_version.text();
}

std::string_view stored_field(const schema::Kind& kind, std::string_view field) {
    const auto* row = kind.stored ? row_of(kind) : nullptr;
    return row && row->stored_field ? row->stored_field(field) : field;
}

}  // namespace pila::cluster::convert
