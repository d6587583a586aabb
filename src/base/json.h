// SPDX-License-Identifier: Apache-2.0
#pragma once
// Boost.JSON behind pila's bounds and errors. Include <boost/json.hpp> (1.8 s a file) only in .cpp files that walk
// trees.

#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "base/result.h"

namespace pila {

namespace json = boost::json;

struct JsonLimits {
    std::size_t max_bytes = 16U << 20;
    std::size_t max_depth = 64;
};

// The whole text as one JSON value; Invalid says where it went wrong. Accepts UTF-8 only.
Result<json::value> parse_json(std::string_view text, JsonLimits limits = {});
std::string to_json(const json::value& value);

}  // namespace pila
