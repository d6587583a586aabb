// SPDX-License-Identifier: Apache-2.0
// Cells of volumes, claims, storage classes and drivers; and of objects that hold data.
#include <array>

#include <fmt/core.h>

#include "cluster/table/code_internal.h"
#include "cluster/table/labels_internal.h"

namespace pila::cluster::table {

namespace {

// In this order, whatever the object's is.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> short_modes = {{
    {"ReadWriteOnce", "RWO"},
    {"ReadOnlyMany", "ROX"},
    {"ReadWriteMany", "RWX"},
    {"ReadWriteOncePod", "RWOP"},
}};

std::string modes_text(View modes) {
    Joined joined;
    for (const auto& [mode, shown] : short_modes)
        for (View present : modes.list())
            if (present.text() == mode) {
                joined.add(shown);
                break;
            }
    return joined.text();
}

void access_modes(Row& row, Cell& cell) { cell.text(modes_text(row.object["spec"]["accessModes"])); }

bool is_bound(const Row& row) { return !row.object["spec"]["volumeName"].text().empty(); }

void claim_access_modes(Row& row, Cell& cell) {
    cell.text(is_bound(row) ? modes_text(row.object["status"]["accessModes"]) : "");
}

void claim_capacity(Row& row, Cell& cell) {
    cell.text(is_bound(row) ? row.object["status"]["capacity"]["storage"].quantity("0") : "");
}

void phase_or_terminating(Row& row, Cell& cell) {
    cell.text(row.object["metadata"]["deletionTimestamp"] ? "Terminating" : row.object["status"]["phase"].text());
}

void storage_class(Row& row, Cell& cell) {
    View annotation = row.object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    cell.text(annotation ? annotation.text() : row.object["spec"]["storageClassName"].text());
}

void volume_claim(Row& row, Cell& cell) {
    View claim = row.object["spec"]["claimRef"];
    cell.text(claim ? fmt::format("{}/{}", claim["namespace"].text(), claim["name"].text()) : "");
}

void storageclass_name(Row& row, Cell& cell) {
    View metadata = row.object["metadata"];
    std::string name(metadata["name"].text());
    for (std::string_view prefix : {"storageclass.kubernetes.io", "storageclass.beta.kubernetes.io"})
        if (metadata["annotations"][fmt::format("{}/is-default-class", prefix)].text() == "true")
            return cell.text(name + " (default)");
    cell.text(name);
}

void token_request_audiences(Row& row, Cell& cell) {
    View requests = row.object["spec"]["tokenRequests"];
    if (!requests) return cell.text("<unset>");
    Joined joined;
    for (View request : requests.list()) joined.add(request["audience"].text());
    cell.text(joined.text());
}

void csidriver_modes(Row& row, Cell& cell) {
    Joined joined;
    for (View mode : row.object["spec"]["volumeLifecycleModes"].list()) joined.add(mode.text());
    cell.text(joined.text("<none>"));
}

void config_map_data(Row& row, Cell& cell) {
    cell.number(static_cast<std::int64_t>(row.object["data"].size() + row.object["binaryData"].size()));
}

constexpr CodeCell cells[] = {
    {"access_modes", "How many nodes or pods may use the volume, and whether they may write", access_modes},
    {"claim_access_modes", "How the bound volume may be used", claim_access_modes},
    {"claim_capacity", "Size of the bound volume", claim_capacity},
    {"phase_or_terminating", "Where in its life it is", phase_or_terminating},
    {"storage_class", "Class that the volume comes from", storage_class},
    {"volume_claim", "Claim that the volume is bound to", volume_claim},
    {"storageclass_name", "Name of the class, and whether claims get it without asking", storageclass_name},
    {"token_request_audiences", "Audiences of the tokens that the driver is handed", token_request_audiences},
    {"csidriver_modes", "Kinds of volumes that the driver has", csidriver_modes},
    {"config_map_data", "Number of entries, text and binary", config_map_data},
};

}  // namespace

std::span<const CodeCell> storage_cells() { return cells; }

}  // namespace pila::cluster::table
