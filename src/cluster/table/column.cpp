// SPDX-License-Identifier: Apache-2.0
#include <map>

#include <fmt/format.h>

#include "base/json.h"
#include "cluster/table/age.h"
#include "cluster/table/column_internal.h"

namespace pila::cluster::table {

using schema::Form;
using Source = schema::Column::Source;

ColumnCells::ColumnCells(const schema::Column& column, const schema::Type* type) : column_(column) {
    if (column.source == Source::Code) {
        code_ = find_code_cell(column.path);
        if (code_) description_ = code_->description;
        return;
    }
    is_json_path_ = column.source == Source::Path && column.path.starts_with('.');
    if (is_json_path_) {
        if (auto parsed = JsonPath::parse(column.path)) json_path_ = parsed.take();
        if (json_path_) names_ = json_path_->names();
    } else {
        for (auto name : split(column.path, '.')) names_.emplace_back(name);
    }
    follow(type);
    choose_missing();
}

// Along the types to the field, for its form and its description.
void ColumnCells::follow(const schema::Type* type) {
    const schema::Node* node = nullptr;
    for (const auto& name : names_) {
        if (node && node->form == Form::Map) {
            node = node->items;
            continue;
        }
        if (node) type = node->form == Form::Message ? node->type : nullptr;
        const auto* field = type ? type->find(name) : nullptr;
        if (!field) {
            description_.clear();
            return;
        }
        description_ = field->description;
        node = &field->node;
    }
    if (node) form_ = node->form;
}

void ColumnCells::choose_missing() {
    bool is_number = form_ == Form::Int32 || form_ == Form::Int64 || form_ == Form::Double;
    bool is_boolean = form_ == Form::Bool;
    if (form_ == Form::Any) {
        is_number = column_.type == "integer" || column_.type == "number";
        is_boolean = column_.type == "boolean";
    }
    const auto& otherwise = column_.otherwise;
    if (is_boolean)
        missing_ = otherwise == "true" ? "true" : "false";
    else if (is_number && otherwise.empty())  // Go leaves a zero away
        missing_ = "0";
    else
        missing_ = json_quote(otherwise);
}

void ColumnCells::append_definition(std::string& out) const {
    fmt::format_to(std::back_inserter(out), R"({{"name":{},"type":{},"format":{},"description":{},"priority":{}}})",
                   json_quote(column_.name), json_quote(column_.type), json_quote(column_.format),
                   json_quote(description_), column_.priority);
}

View ColumnCells::at_path(View object) const {
    for (const auto& name : names_) object = object[name];
    return object;
}

void ColumnCells::append_cell(std::string& out, Row& row) const {
    Cell cell(out);
    switch (column_.source) {
        case Source::Code: return code_ ? code_->write(row, cell) : cell.nothing();
        case Source::Age: return cell.text(age_of(read_time(at_path(row.object).text()), row.now));
        case Source::Length: return cell.number(static_cast<std::int64_t>(at_path(row.object).size()));
        case Source::Path: break;
    }
    if (is_json_path_)
        write_json_path(row, cell);
    else if (!write_field(at_path(row.object), cell))
        out += missing_;
}

bool ColumnCells::write_field(View value, Cell& cell) const {
    if (!value) return false;
    switch (form_) {
        case Form::Bool:
            if (!value.boolean()) return false;
            cell.boolean(*value.boolean());
            return true;
        case Form::Int32:
        case Form::Int64:
            if (!value.integer()) return false;
            cell.number(*value.integer());
            return true;
        case Form::Quantity:
        case Form::IntOrString: {
            auto text = value.quantity("");
            if (text.empty()) return false;
            cell.text(text);
            return true;
        }
        case Form::Any:
        case Form::Double:
            if (value.value()->is_structured()) return false;
            cell.scalar(*value.value());
            return true;
        default: {
            auto text = value.text();
            if (text.empty()) return false;
            cell.text(text);
            return true;
        }
    }
}

// Compact, members by name: as Go writes maps.
static void append_sorted(std::string& out, const json::value& value) {
    char separator = '[';
    if (const auto* list = value.if_array()) {
        if (list->empty()) out += '[';
        for (const auto& element : *list) {
            out += separator;
            append_sorted(out, element);
            separator = ',';
        }
        out += ']';
    } else if (const auto* object = value.if_object()) {
        std::map<std::string_view, const json::value*> sorted;
        for (const auto& member : *object) sorted.emplace(key_of(member), &member.value());
        separator = '{';
        if (sorted.empty()) out += '{';
        for (const auto& [name, member] : sorted) {
            out += separator;
            append_json_quoted(out, name);
            out += ':';
            append_sorted(out, *member);
            separator = ',';
        }
        out += '}';
    } else {
        Cell(out).scalar(value);
    }
}

void ColumnCells::write_json_path(const Row& row, Cell& cell) const {
    const json::value* found = json_path_ && row.object ? json_path_->first(*row.object.value()) : nullptr;
    View value(found);
    if (!value) return cell.nothing();
    const auto& type = column_.type;
    if (type == "integer") return value.integer() ? cell.number(*value.integer()) : cell.nothing();
    if (type == "number") return found->is_number() ? cell.scalar(*found) : cell.nothing();
    if (type == "boolean") return found->is_bool() ? cell.scalar(*found) : cell.nothing();
    if (type == "date") {
        if (!found->is_string()) return cell.nothing();
        auto time = read_time(value.text());
        bool is_never = value.text().starts_with("0001-01-01T00:00:00");
        return cell.text(time || is_never ? age_of(time, row.now) : "<invalid>");
    }
    if (type != "string") return cell.nothing();
    if (found->is_string()) return cell.text(value.text());
    std::string text;
    append_sorted(text, *found);
    cell.text(text);
}

}  // namespace pila::cluster::table
