// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small things that every patch does to trees.

#include <string>
#include <string_view>

#include <boost/json.hpp>

#include "base/result.h"

namespace pila::cluster::patch {

namespace json = boost::json;

constexpr std::size_t max_depth = 100;

// No value lies deeper than `limit` containers: `1` is within 0, `[1]` within 1.
bool within_depth(const json::value& value, std::size_t limit = max_depth);
Result<void> check_depth(const json::value& value, std::string_view what);

// As Go's comparison of decoded JSON: 1 is 1.0, order of names says nothing.
bool equal(const json::value& left, const json::value& right);

bool is_scalar(const json::value& value);  // null is one
bool is_empty(const json::value& value);   // null, {} and []

// JSON of a scalar in the one form that makes equal scalars equal texts.
std::string scalar_text(const json::value& value);

// Removes the members that `unwanted(name)` wants to be gone, in one pass; the others keep their order.
template <typename Predicate>
void erase_if(json::object& object, Predicate unwanted) {
    json::object kept(object.storage());
    kept.reserve(object.size());
    for (auto& member : object)
        if (!unwanted(member.key())) kept.emplace(member.key(), std::move(member.value()));
    object = std::move(kept);
}

}  // namespace pila::cluster::patch
