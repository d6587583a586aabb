// SPDX-License-Identifier: Apache-2.0
#pragma once
// Amounts of resources as rules of several topics compare them.

#include <optional>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "cluster/codec/quantity.h"
#include "cluster/kinds/path.h"
#include "cluster/kinds/report.h"

namespace pila::cluster::kinds {

// Nothing if it is absent or no amount (which the walk has reported).
std::optional<codec::Quantity> amount_of(const json::value* value);
// -1, 0, 1; nothing if one of them is absent or no amount (which the walk has reported).
std::optional<int> compare_amounts(const json::object& object, std::string_view left, const json::object& other,
                                   std::string_view right);
std::string amount_text(const json::object& object, std::string_view name);
bool is_positive_amount(const json::value& value);
void check_quota_name(std::string_view name, const Path& path, Report& report);

}  // namespace pila::cluster::kinds
