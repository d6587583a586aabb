// SPDX-License-Identifier: Apache-2.0
#pragma once
// Strategic merge within: maps in strategic.cpp, lists in strategic_list.cpp.

#include <optional>

#include "cluster/patch/step.h"

namespace pila::cluster::patch::strategic {

constexpr std::string_view directive = "$patch";
constexpr std::string_view retain_keys = "$retainKeys";
constexpr std::string_view element_order = "$setElementOrder/";
constexpr std::string_view deletions = "$deleteFromPrimitiveList/";

inline std::string_view text_of(json::string_view text) { return {text.data(), text.size()}; }

// The value of a directive: "replace", "delete" or "merge"; "" if there is none. Invalid: another.
Result<std::string_view> directive_of(const json::object& patch);

// `value` as what it sets where nothing was: without nulls and directives. nullopt: a directive that only deletes.
std::optional<json::value> settled(const json::value& value, const json::storage_ptr& memory);

Result<void> merge_map(json::object& live, const json::object& patch, const Place& place);

// `patch` into `live`; either may be nullptr (not both). `order`: $setElementOrder of the list.
Result<void> merge_list(json::array& live, const json::array* patch, const json::array* order, const Place& place);
// $deleteFromPrimitiveList
void remove_scalars(json::array& live, const json::array& gone);

}  // namespace pila::cluster::patch::strategic
