// SPDX-License-Identifier: Apache-2.0
#pragma once
// Inside the room: one row for each kind that is another's shape.

#include <string_view>

#include <boost/json/object.hpp>

namespace pila::cluster::convert {

namespace json = boost::json;

struct ShapeRow {
    std::string_view group, kind;
    void (*to_stored)(json::object&);
    void (*from_stored)(json::object&);
    std::string_view (*stored_field)(std::string_view);  // null: by the same names
};

const ShapeRow* event_shape();
const ShapeRow* autoscaler_shape();

}  // namespace pila::cluster::convert
