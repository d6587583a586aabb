// SPDX-License-Identifier: Apache-2.0
#pragma once
// Why an object is refused, field by field.

#include <string>
#include <string_view>
#include <vector>

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

}  // namespace pila::cluster::kinds
