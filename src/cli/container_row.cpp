// SPDX-License-Identifier: Apache-2.0
#include "cli/container_row.h"

#include <fmt/core.h>

#include "base/text.h"
#include "cli/published_ports.h"
#include "cli/reference.h"
#include "cli/units.h"

namespace pila::cli {

namespace {

// Links of others show as "/other/name"; only the container's own name counts when text is cut.
std::string names_of(const json::value& container, bool full) {
    std::vector<std::string> names;
    for (const auto& item : items(container, "Names")) {
        auto name = as_text(item);
        if (name.starts_with('/')) name.erase(0, 1);
        if (!full && name.find('/') == std::string::npos) return name;
        names.push_back(name);
    }
    return join(names, ",");
}

std::string image_of(const json::value& container, bool full) {
    auto image = text(container, "Image");
    if (image.empty()) return "<no image>";
    if (full) return image;
    if (short_id(text(container, "ImageID")) == short_id(image)) return short_id(image);
    auto reference = parse_reference(image);
    if (reference && !reference->digest.empty() && !reference->tag.empty()) {
        reference->digest.clear();
        return reference->familiar();
    }
    return image;
}

std::string mounts_of(const json::value& container, bool full, std::int64_t& local_volumes) {
    std::vector<std::string> names;
    for (const auto& mount : items(container, "Mounts")) {
        local_volumes += text(mount, "Driver") == "local";
        auto name = text(mount, "Name");
        if (name.empty()) name = text(mount, "Source");
        names.push_back(full ? name : ellipsis(name, 15));
    }
    return join(names, ",");
}

std::string size_of(const json::value& container) {
    auto size = decimal_size(real(container, "SizeRw"), 3);
    auto root = real(container, "SizeRootFs");
    return root > 0 ? fmt::format("{} (virtual {})", size, decimal_size(root, 3)) : size;
}

}  // namespace

std::vector<Column> container_columns() {
    return {{"Command", "COMMAND"},   {"CreatedAt", "CREATED AT"}, {"ID", "CONTAINER ID"},
            {"Image", "IMAGE"},       {"Labels", "LABELS"},        {"LocalVolumes", "LOCAL VOLUMES"},
            {"Mounts", "MOUNTS"},     {"Names", "NAMES"},          {"Networks", "NETWORKS"},
            {"Platform", "PLATFORM"}, {"Ports", "PORTS"},          {"RunningFor", "CREATED"},
            {"Size", "SIZE"},         {"State", "STATE"},          {"Status", "STATUS"}};
}

Row container_row(const json::value& container, bool full) {
    Row row;
    row.labels = members(container, "Labels");
    auto created = number(container, "Created");
    auto command = text(container, "Command");
    std::vector<std::string> networks;
    for (const auto& pair : members(container, "NetworkSettings.Networks")) networks.emplace_back(pair.key());
    std::int64_t local_volumes = 0;
    auto mounts = mounts_of(container, full, local_volumes);
    auto& columns = row.columns;
    columns["Command"] = go_quote(full ? command : ellipsis(command, 20));
    columns["CreatedAt"] = local_time(created);
    columns["ID"] = full ? text(container, "Id") : short_id(text(container, "Id"));
    columns["Image"] = image_of(container, full);
    columns["Labels"] = label_text(row.labels);
    columns["LocalVolumes"] = std::to_string(local_volumes);
    columns["Mounts"] = mounts;
    columns["Names"] = names_of(container, full);
    columns["Networks"] = join(networks, ",");
    columns["Platform"] = field(field(container, "ImageManifestDescriptor"), "platform");
    columns["Ports"] = published_ports(items(container, "Ports"));
    columns["RunningFor"] = ago(created);
    columns["Size"] = size_of(container);
    columns["State"] = text(container, "State");
    columns["Status"] = text(container, "Status");
    return row;
}

}  // namespace pila::cli
