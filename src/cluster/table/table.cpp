// SPDX-License-Identifier: Apache-2.0
#include "cluster/table/table.h"

#include <fmt/format.h>

#include "cluster/table/column_internal.h"
#include "cluster/table/raw_member.h"

namespace pila::cluster::table {

namespace {

const std::vector<schema::Column>& usual_columns() {
    using Source = schema::Column::Source;
    static const std::vector<schema::Column> columns = {
        {"Name", "string", "name", 0, Source::Path, "metadata.name", ""},
        {"Created At", "date", "", 0, Source::Path, "metadata.creationTimestamp", "0001-01-01T00:00:00Z"},
    };
    return columns;
}

// Clients may hide pods that have come to their end.
std::string_view condition_of(View pod) {
    auto phase = pod["status"]["phase"].text();
    if (phase == "Succeeded")
        return R"(,"conditions":[{"type":"Completed","status":"True","reason":"Succeeded",)"
               R"("message":"The pod has run to completion."}])";
    if (phase == "Failed")
        return R"(,"conditions":[{"type":"Completed","status":"True","reason":"Failed",)"
               R"("message":"The pod has ended in failure."}])";
    return {};
}

}  // namespace

struct Table::CompiledColumn : ColumnCells {
    using ColumnCells::ColumnCells;
};

Table::Table(const schema::Kind& kind, IncludeObject include)
    : kind_(kind), include_(include), is_pod_(kind.name == "Pod" && kind.group_version.group.empty()) {
    const auto& columns = kind.columns.empty() ? usual_columns() : kind.columns;
    columns_.reserve(columns.size());
    for (const auto& column : columns) columns_.emplace_back(column, kind_.type);
}

Table::~Table() = default;

void Table::append_start(std::string& out, const ListMeta& meta, Definitions definitions) {
    is_first_ = true;
    out += R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{)";
    std::string_view separator;
    auto member = [&](std::string_view name) {
        out += separator;
        append_json_quoted(out, name);
        out += ':';
        separator = ",";
    };
    if (!meta.resource_version.empty()) {
        member("resourceVersion");
        append_json_quoted(out, meta.resource_version);
    }
    if (!meta.continue_token.empty()) {
        member("continue");
        append_json_quoted(out, meta.continue_token);
    }
    if (meta.remaining) {
        member("remainingItemCount");
        out += std::to_string(*meta.remaining);
    }
    out += R"(},"columnDefinitions":)";
    if (definitions == Definitions::Yes)
        append_definitions(out);
    else
        out += "null";
    out += R"(,"rows":[)";
}

void Table::append_definitions(std::string& out) const {
    char separator = '[';
    for (const auto& column : columns_) {
        out += separator;
        column.append_definition(out);
        separator = ',';
    }
    out += ']';
}

void Table::append_row(std::string& out, const json::value& object, std::string_view bytes, std::int64_t now) {
    if (!is_first_) out += ',';
    is_first_ = false;
    Row row{View(object), now};
    out += R"({"cells":)";
    char separator = '[';
    for (const auto& column : columns_) {
        out += separator;
        column.append_cell(out, row);
        separator = ',';
    }
    out += ']';
    if (is_pod_) out += condition_of(row.object);
    out += R"(,"object":)";
    append_object(out, object, bytes);
    out += '}';
}

void Table::append_object(std::string& out, const json::value& object, std::string_view bytes) const {
    if (include_ == IncludeObject::None) {
        out += "null";
        return;
    }
    if (include_ == IncludeObject::Object) {
        if (bytes.empty())
            out += json::serialize(object);
        else
            out += bytes;
        return;
    }
    out += R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":)";
    if (auto metadata = raw_member(bytes, "metadata"))
        out += *metadata;
    else if (View found = View(object)["metadata"])
        out += json::serialize(*found.value());
    else
        out += "{}";
    out += '}';
}

void Table::append_end(std::string& out) { out += "]}"; }

}  // namespace pila::cluster::table
