// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

// Boost.JSON is used header-only and compiled here, once: Debian's static library is not needed.
#include <boost/json/src.hpp>

namespace pila {
namespace {

// "1e999" reads as infinity, which JSON cannot write again.
bool all_finite(const json::value& value) {
    if (const auto* number = value.if_double()) return std::isfinite(*number);
    if (const auto* array = value.if_array()) return std::all_of(array->begin(), array->end(), all_finite);
    if (const auto* object = value.if_object())
        return std::all_of(object->begin(), object->end(),
                           [](const auto& member) { return all_finite(member.value()); });
    return true;
}

}  // namespace

Result<json::value> parse_json(std::string_view text, JsonLimits limits) {
    if (text.size() > limits.max_bytes)
        return Error(Errc::Exhausted,
                     fmt::format("JSON of {} bytes exceeds the limit of {}", text.size(), limits.max_bytes));
    json::parse_options options;
    options.max_depth = limits.max_depth;
    json::stream_parser parser({}, options);
    json::error_code error;
    auto used = parser.write_some(text.data(), text.size(), error);
    if (!error && used == text.size()) parser.finish(error);
    if (error) return Error(Errc::Invalid, fmt::format("JSON: {} at byte {}", error.message(), used));
    if (text.find_first_not_of(" \t\r\n", used) != std::string_view::npos)
        return Error(Errc::Invalid, fmt::format("JSON: extra data at byte {}", used));
    auto value = parser.release();
    if (!all_finite(value)) return Error(Errc::Invalid, "JSON: number out of range");
    return value;
}

std::string to_json(const json::value& value) { return json::serialize(value); }

}  // namespace pila
