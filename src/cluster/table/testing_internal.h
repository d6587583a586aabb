// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the tests of this room share.

#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "cluster/schema/catalogue.h"
#include "cluster/table/table.h"

namespace pila::cluster::table {

constexpr std::int64_t noon = 1748779200;  // 2025-06-01T12:00:00Z

inline const schema::Kind& builtin_kind(std::string_view group_version, std::string_view name) {
    auto slash = group_version.find('/');
    schema::GroupVersion parsed{slash == group_version.npos ? "" : std::string(group_version.substr(0, slash)),
                                std::string(group_version.substr(slash == group_version.npos ? 0 : slash + 1))};
    const auto* kind = schema::Catalogue::builtin().find_kind(parsed, name);
    REQUIRE_MESSAGE(kind, group_version, " ", name);
    return *kind;
}

inline json::object whole_table(const schema::Kind& kind, std::string_view object,
                                IncludeObject include = IncludeObject::None, std::int64_t now = noon) {
    Table table(kind, include);
    std::string out;
    table.append_start(out, {});
    table.append_row(out, json::parse({object.data(), object.size()}), object, now);
    table.append_end(out);
    return json::parse(out).as_object();
}

inline json::array cells_of(const schema::Kind& kind, std::string_view object) {
    return whole_table(kind, object).at("rows").at(0).at("cells").as_array();
}

// The one cell of the named column, as JSON.
inline std::string cell_of(const schema::Kind& kind, std::string_view column, std::string_view object) {
    auto cells = cells_of(kind, object);
    for (std::size_t at = 0; at < kind.columns.size(); ++at)
        if (kind.columns[at].name == column) return json::serialize(cells.at(at));
    return "no such column";
}

}  // namespace pila::cluster::table
