// SPDX-License-Identifier: Apache-2.0
#pragma once
// Cells that need more than a path: functions by the names behind @ in the schema's columns.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/text.h"
#include "cluster/table/view_internal.h"

namespace pila::cluster::table {

// Where a cell's value goes: one call makes one cell.
class Cell {
public:
    explicit Cell(std::string& out) : out_(out) {}
    void text(std::string_view value) { append_json_quoted(out_, value); }
    void text(std::string_view value, std::string_view otherwise) { text(value.empty() ? otherwise : value); }
    void number(std::int64_t value);
    void boolean(bool value) { out_ += value ? "true" : "false"; }
    void nothing() { out_ += "null"; }
    void scalar(const json::value& value);  // as it is; null if it is none

private:
    std::string& out_;
};

// What three columns of pods tell, found in one walk.
struct PodSummary {
    std::string status;
    int ready = 0, total = 0;
    std::int64_t restarts = 0;
    std::optional<std::int64_t> last_restart;
};

struct Row {
    View object;
    std::int64_t now;
    std::optional<PodSummary> pod{};  // by the first column that asks
};

struct CodeCell {
    std::string_view name, description;
    void (*write)(Row& row, Cell& cell);
};

std::span<const CodeCell> pod_cells();
std::span<const CodeCell> workload_cells();
std::span<const CodeCell> autoscaler_cells();
std::span<const CodeCell> network_cells();
std::span<const CodeCell> storage_cells();
std::span<const CodeCell> access_cells();
std::span<const CodeCell> event_cells();
std::span<const CodeCell> node_cells();

// All of the above; null: there is no such name.
const CodeCell* find_code_cell(std::string_view name);

}  // namespace pila::cluster::table
