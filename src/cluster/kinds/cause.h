// SPDX-License-Identifier: Apache-2.0
#pragma once
// Why an object is refused, field by field.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

namespace pila::cluster::kinds {

struct Cause {
    std::string reason;  // FieldValueRequired, FieldManagerConflict, ...
    std::string message;
    std::string field;  // spec.template.spec.containers[0].image
};

// Causes of Invalid in the form of k8s.io/apimachinery/pkg/util/validation/field.
Cause required(std::string field, std::string_view detail = "");
Cause invalid_value(std::string field, std::string_view value_json, std::string_view detail);
Cause not_supported(std::string field, std::string_view value, const std::vector<std::string>& supported);
Cause forbidden_field(std::string field, std::string_view detail);
Cause duplicate_value(std::string field, std::string_view value_json);
Cause too_long(std::string field, std::size_t most);
Cause too_many(std::string field, std::size_t count, std::size_t most);
Cause not_found(std::string field, std::string_view value_json);

// How a value stands in a message: text in quotes, numbers bare, the rest as JSON, shortened if it is long.
std::string quoted(std::string_view text);
std::string value_text(const boost::json::value& value);

}  // namespace pila::cluster::kinds
