// SPDX-License-Identifier: Apache-2.0
#include "cluster/table/view_internal.h"

#include <fmt/format.h>

namespace pila::cluster::table {

std::string View::quantity(std::string_view otherwise) const {
    if (!value_) return std::string(otherwise);
    if (const auto* number = value_->if_double()) return fmt::format("{}", *number);  // serialize() says 5E-1
    if (value_->is_number()) return json::serialize(*value_);
    return std::string(value_->is_string() ? text() : otherwise);
}

View find_condition(View conditions, std::string_view type) {
    for (View condition : conditions.list())
        if (condition["type"].text() == type) return condition;
    return {};
}

bool has_true_condition(View conditions, std::string_view type) {
    return find_condition(conditions, type)["status"].text() == "True";
}

}  // namespace pila::cluster::table
