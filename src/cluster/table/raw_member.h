// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

namespace pila::cluster::table {

// The text of a member's value in the text of a JSON object, without reading the rest; nullopt: it is not there, or the
// text is no JSON as far as it was looked at. Its value is not checked any further.
std::optional<std::string_view> raw_member(std::string_view object, std::string_view name);

}  // namespace pila::cluster::table
