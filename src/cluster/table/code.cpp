// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cluster/table/code_internal.h"

namespace pila::cluster::table {

void Cell::number(std::int64_t value) { fmt::format_to(std::back_inserter(out_), "{}", value); }

void Cell::scalar(const json::value& value) {
    switch (value.kind()) {
        case json::kind::string: return text(View(value).text());
        case json::kind::bool_: return boolean(value.get_bool());
        case json::kind::int64: return number(value.get_int64());
        case json::kind::uint64:
        case json::kind::double_: out_ += View(value).quantity({}); return;
        default: nothing();
    }
}

const CodeCell* find_code_cell(std::string_view name) {
    for (auto cells : {pod_cells(), workload_cells(), autoscaler_cells(), network_cells(), storage_cells(),
                       access_cells(), event_cells(), node_cells()})
        for (const auto& cell : cells)
            if (cell.name == name) return &cell;
    return nullptr;
}

}  // namespace pila::cluster::table
