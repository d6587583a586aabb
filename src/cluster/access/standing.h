// SPDX-License-Identifier: Apache-2.0
#pragma once
// The roles and bindings that every cluster has: data/standing.roles, as objects.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/value.hpp>

#include "base/result.h"

namespace pila::cluster::access {

std::string_view standing_text();  // the file, part of the program

struct Standing {
    std::string resource;  // clusterroles, roles, clusterrolebindings, rolebindings
    std::string name_space, name;
    boost::json::object object;  // as a client would send it
};
// Invalid says which line. Roles stand before the bindings that name them.
Result<std::vector<Standing>> read_standing(std::string_view text);

inline constexpr std::string_view aggregate_label = "rbac.authorization.k8s.io/aggregate-to-";
inline constexpr std::string_view update_annotation = "rbac.authorization.kubernetes.io/autoupdate";

// What an object that is there lacks of what it should have: rules, subjects, labels, annotations, selectors of an
// aggregation. Fills it in and says whether there was anything. An object whose annotation says "false" is its owner's.
// A binding to another role cannot be mended: it is to be made anew.
enum class Mending : std::uint8_t { None, Mended, Anew };
Mending mend(boost::json::object& live, const boost::json::object& wanted);

}  // namespace pila::cluster::access
