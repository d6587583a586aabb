// SPDX-License-Identifier: Apache-2.0
// Any JSON as an object of every kind: never a crash, always a table that is JSON, with as many cells as columns. The
// first line, if it begins with '.', is a path of a custom column.
#include <cstdint>
#include <cstdlib>

#include <boost/json.hpp>

#include "base/json.h"
#include "cluster/schema/catalogue.h"
#include "cluster/table/table.h"

using namespace pila;
using namespace pila::cluster;

static void check(const schema::Kind& kind, const json::value& object, std::string_view bytes) {
    for (auto include : {table::IncludeObject::Metadata, table::IncludeObject::Object}) {
        table::Table table(kind, include);
        std::string out;
        table.append_start(out, {"1", "", std::nullopt});
        table.append_row(out, object, bytes, 1748779200);
        table.append_end(out);
        auto parsed = parse_json(out, {64U << 20, 200});
        if (!parsed) std::abort();
        const auto& answer = parsed->as_object();
        if (answer.at("rows").at(0).at("cells").as_array().size() != answer.at("columnDefinitions").as_array().size())
            std::abort();
    }
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    std::string path;
    if (text.starts_with('.')) {
        auto end = text.find('\n');
        path = text.substr(0, end);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    auto object = parse_json(text);
    if (!object) return 0;
    for (const auto& kind : schema::Catalogue::builtin().kinds()) check(kind, *object, text);

    schema::Kind custom;
    for (const char* type : {"string", "integer", "number", "boolean", "date", "other"})
        custom.columns.push_back({type, type, "", 0, schema::Column::Source::Path, path, ""});
    check(custom, *object, "");
    return 0;
}
