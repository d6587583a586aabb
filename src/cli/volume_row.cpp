// SPDX-License-Identifier: Apache-2.0
#include "cli/volume_row.h"

#include "cli/units.h"

namespace pila::cli {

std::vector<Column> volume_columns() {
    return {{"Availability", "AVAILABILITY"},
            {"Driver", "DRIVER"},
            {"Group", "GROUP"},
            {"Labels", "LABELS"},
            {"Links", "LINKS"},
            {"Mountpoint", "MOUNTPOINT"},
            {"Name", "VOLUME NAME"},
            {"Scope", "SCOPE"},
            {"Size", "SIZE"},
            {"Status", "STATUS"}};
}

Row volume_row(const json::value& volume) {
    Row row;
    row.labels = members(volume, "Labels");
    const auto& usage = field(volume, "UsageData");
    auto& columns = row.columns;
    columns["Availability"] = "N/A";
    columns["Driver"] = text(volume, "Driver");
    columns["Group"] = "N/A";
    columns["Labels"] = label_text(row.labels);
    columns["Links"] = usage.is_null() ? std::string("N/A") : std::to_string(number(usage, "RefCount"));
    columns["Mountpoint"] = text(volume, "Mountpoint");
    columns["Name"] = text(volume, "Name");
    columns["Scope"] = text(volume, "Scope");
    columns["Size"] = usage.is_null() ? std::string("N/A") : decimal_size(real(usage, "Size"));
    columns["Status"] = "N/A";
    return row;
}

}  // namespace pila::cli
