// SPDX-License-Identifier: Apache-2.0
// Any JSON as an object of every kind: never a crash, always a table that is JSON, with as many cells as columns. The
// first line, if it begins with '.', is a path of a custom column.
#include <cstdint>
#include <cstdlib>

#include <boost/json.hpp>

#include "base/json.h"
#include "cluster/schema/catalogue.h"
#include "cluster/table/raw_member.h"
#include "cluster/table/table.h"

using namespace pila;
using namespace pila::cluster;

static void check(const schema::Kind& kind, const json::value& object, std::string_view bytes,
                  table::IncludeObject include = table::IncludeObject::None) {
    table::Table table(kind, include);
    std::string out;
    table.append_start(out, {"1", "", std::nullopt}, table::Definitions::No);
    table.append_row(out, object, bytes, 1748779200);
    table.append_end(out);
    auto parsed = parse_json(out, {64U << 20, 200});
    if (!parsed) std::abort();
    auto columns = kind.columns.empty() ? 2 : kind.columns.size();
    if (parsed->at("rows").at(0).at("cells").as_array().size() != columns) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    std::string path;
    if (text.starts_with('.')) {
        auto end = text.find('\n');
        path = text.substr(0, end);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    table::raw_member(text, "metadata");
    auto object = parse_json(text);
    if (!object) return 0;
    for (const auto& kind : schema::Catalogue::builtin().kinds()) check(kind, *object, text);
    const auto& first = schema::Catalogue::builtin().kinds().front();
    check(first, *object, text, table::IncludeObject::Metadata);
    check(first, *object, text, table::IncludeObject::Object);

    schema::Kind custom;
    for (const char* type : {"string", "integer", "number", "boolean", "date", "other"})
        custom.columns.push_back({type, type, "", 0, schema::Column::Source::Path, path, ""});
    check(custom, *object, "");
    return 0;
}
