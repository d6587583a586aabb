// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lists as docker prints them: a table by default, or --format: json, a template, or "table TEMPLATE".
// For .cpp files only: it includes all of Boost.JSON's values.

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/json_helpers.h"
#include "cli/template.h"

namespace pila::cli {

struct Row {
    json::object columns;  // in the order of their names, as JSON shows them
    json::object labels;   // for {{.Label "name"}}
};

struct Column {
    std::string_view name, title;
};

class Listing {
public:
    // `format`: what the user gave, or ""; `standard`: the table otherwise, e.g. "{{.ID}}\t{{.Name}}".
    Listing(std::string_view format, std::string_view standard, std::vector<Column> columns);

    void set_type(std::string_view type) { type_ = type; }  // as docker's messages name it
    void add(Row row) { rows_.push_back(std::move(row)); }
    // The whole text, ready to be written.
    Result<std::string> text() const;
    // Prints; the verb's exit code.
    int print() const;

private:
    std::string template_text_;
    std::string_view type_ = "*formatter.SubContext";
    bool table_ = false, json_ = false;
    std::vector<Column> columns_;
    std::vector<Row> rows_;
};

std::string label_text(const json::object& labels);               // "a=b,c=d"
bool natural_less(std::string_view one, std::string_view other);  // a2 before a10

}  // namespace pila::cli
