// SPDX-License-Identifier: Apache-2.0
#pragma once
// Answers of the form meta.k8s.io/v1 Table: what `kubectl get` prints, one row for each stored object, its cells by the
// columns of schema::Kind. Threads: a Table belongs to one answer.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "cluster/schema/schema.h"

namespace pila::cluster::table {

namespace json = boost::json;

enum class IncludeObject : std::uint8_t { None, Metadata, Object };  // ?includeObject=; Metadata is the default
enum class Definitions : std::uint8_t { No, Yes };

struct ListMeta {
    std::string resource_version;
    std::string continue_token;  // "": the last page
    std::optional<std::int64_t> remaining;
};

// One answer: start, rows, end, appended to whatever buffer the caller sends from. A watch has a Table (start, row,
// end) in each of its events, with the definitions of the columns in the first only.
class Table {
public:
    // `kind` must outlive it. No columns: Name and Created At. A path that begins with '.' is read as JSONPath, as
    // columns of custom resources have it; one that cannot be read gives null cells.
    Table(const schema::Kind& kind, IncludeObject include);
    ~Table();
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    void append_start(std::string& out, const ListMeta& meta, Definitions definitions = Definitions::Yes);
    // `object`: the parsed tree, any value; what is not of the expected type prints as if it were not there.
    // `bytes`: the same object as JSON text, which goes into the answer as it is. Without it the tree is written.
    // `now`: unix seconds, for the ages.
    void append_row(std::string& out, const json::value& object, std::string_view bytes, std::int64_t now);
    void append_end(std::string& out);

private:
    struct CompiledColumn;
    void append_definitions(std::string& out) const;
    void append_object(std::string& out, const json::value& object, std::string_view bytes) const;

    const schema::Kind& kind_;
    IncludeObject include_;
    bool is_pod_ = false;
    bool is_first_ = true;
    std::vector<CompiledColumn> columns_;
};

}  // namespace pila::cluster::table
