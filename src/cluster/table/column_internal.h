// SPDX-License-Identifier: Apache-2.0
#pragma once
// One column, made ready for many rows: its path taken apart, its function found, what to say when nothing is there.

#include <optional>
#include <string>
#include <vector>

#include "cluster/schema/schema.h"
#include "cluster/table/code_internal.h"
#include "cluster/table/json_path.h"

namespace pila::cluster::table {

class ColumnCells {
public:
    ColumnCells(const schema::Column& column, const schema::Type* type);  // type: of the objects, or null

    void append_definition(std::string& out) const;
    void append_cell(std::string& out, Row& row) const;

private:
    void follow(const schema::Type* type);
    void choose_missing();
    View at_path(View object) const;
    bool write_field(View value, Cell& cell) const;  // false: it is not there
    void write_json_path(const Row& row, Cell& cell) const;

    const schema::Column& column_;
    std::vector<std::string> names_;
    bool is_json_path_ = false;
    std::optional<JsonPath> json_path_;
    const CodeCell* code_ = nullptr;
    std::string description_;
    schema::Form form_ = schema::Form::Any;  // of the field, if the types say
    std::string missing_;                    // JSON
};

}  // namespace pila::cluster::table
