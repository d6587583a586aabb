// SPDX-License-Identifier: Apache-2.0
#include "cluster/patch/tree.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "base/text.h"

namespace pila::cluster::patch {

bool within_depth(const json::value& value, std::size_t limit) {
    if (const auto* array = value.if_array())
        return limit > 0 && std::all_of(array->begin(), array->end(),
                                        [&](const json::value& item) { return within_depth(item, limit - 1); });
    if (const auto* object = value.if_object())
        return limit > 0 && std::all_of(object->begin(), object->end(), [&](const json::key_value_pair& member) {
                   return within_depth(member.value(), limit - 1);
               });
    return true;
}

Result<void> check_depth(const json::value& value, std::string_view what) {
    if (within_depth(value)) return {};
    return Error(Errc::Invalid, fmt::format("{} is nested more than {} deep", what, max_depth));
}

namespace {

double as_double(const json::value& number) {
    if (number.is_double()) return number.get_double();
    return number.is_int64() ? static_cast<double>(number.get_int64()) : static_cast<double>(number.get_uint64());
}

bool equal_numbers(const json::value& left, const json::value& right) {
    if (left.is_double() || right.is_double()) return as_double(left) == as_double(right);
    if (left.is_int64() && right.is_int64()) return left.get_int64() == right.get_int64();
    if (left.is_uint64() && right.is_uint64()) return left.get_uint64() == right.get_uint64();
    const auto& whole = left.is_int64() ? left : right;
    const auto& natural = left.is_int64() ? right : left;
    return whole.get_int64() >= 0 && static_cast<std::uint64_t>(whole.get_int64()) == natural.get_uint64();
}

}  // namespace

bool equal(const json::value& left, const json::value& right) {
    if (left.is_number() && right.is_number()) return equal_numbers(left, right);
    if (left.kind() != right.kind()) return false;
    if (left.is_array()) {
        const auto &one = left.get_array(), &other = right.get_array();
        return std::equal(one.begin(), one.end(), other.begin(), other.end(), equal);
    }
    if (left.is_object()) {
        const auto &one = left.get_object(), &other = right.get_object();
        return one.size() == other.size() &&
               std::all_of(one.begin(), one.end(), [&](const json::key_value_pair& member) {
                   const auto* counterpart = other.if_contains(member.key());
                   return counterpart && equal(member.value(), *counterpart);
               });
    }
    if (left.is_string()) return left.get_string() == right.get_string();
    return left.is_null() || left.get_bool() == right.get_bool();
}

bool is_scalar(const json::value& value) { return !value.is_structured(); }

bool is_empty(const json::value& value) {
    if (const auto* array = value.if_array()) return array->empty();
    if (const auto* object = value.if_object()) return object->empty();
    return value.is_null();
}

std::string scalar_text(const json::value& value) {
    if (value.is_string()) {
        return json_quote(value.get_string());
    }
    if (value.is_bool()) return value.get_bool() ? "true" : "false";
    if (value.is_int64()) return fmt::format("{}", value.get_int64());
    if (value.is_uint64()) return fmt::format("{}", value.get_uint64());
    if (!value.is_double()) return "null";
    double number = value.get_double();
    if (std::trunc(number) == number && std::abs(number) < 9e18)
        return fmt::format("{}", static_cast<std::int64_t>(number));
    return fmt::format("{}", number);
}

}  // namespace pila::cluster::patch
