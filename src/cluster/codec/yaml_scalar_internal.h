// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a scalar of YAML means, as sigs.k8s.io/yaml has it (YAML 1.1 as yaml.v2 reads it, then written as JSON).

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "base/result.h"

namespace pila::cluster::codec {

// `tag`: as yaml-cpp tells it: "?" of a plain scalar, "!" of a quoted one, else what the text said.
Result<boost::json::value> resolve_scalar(std::string_view tag, const std::string& text,
                                          boost::json::storage_ptr memory);
// As a name: numbers and booleans become text again, in their canonical form.
Result<std::string> resolve_name(std::string_view tag, const std::string& text);

}  // namespace pila::cluster::codec
