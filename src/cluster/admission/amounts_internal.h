// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lists of resources ("cpu": "100m") as numbers, and what a whole pod asks for.

#include <map>
#include <string>
#include <string_view>

#include <boost/json/object.hpp>

#include "cluster/codec/quantity.h"

namespace pila::cluster::admission {

namespace json = boost::json;

using Amounts = std::map<std::string, codec::Quantity, std::less<>>;

Amounts amounts_of(const json::object* list);  // null: none
json::object write_amounts(const Amounts& amounts);
const codec::Quantity* find_amount(const Amounts& amounts, std::string_view name);
void add(Amounts& to, const Amounts& more);
Amounts difference(const Amounts& left, const Amounts& right);  // missing ones count as 0
// "cpu=2,memory=1Gi"
std::string text_of(const Amounts& amounts);

// Of a pod's spec: `list` is "requests" or "limits". Containers that run side by side add up, init containers run one
// after the other beside those of them that stay (as k8s.io/component-helpers/resource).
enum class Overhead : std::uint8_t { Without, With };
Amounts pod_amounts(const json::object& spec, std::string_view list, Overhead overhead);

}  // namespace pila::cluster::admission
