// SPDX-License-Identifier: Apache-2.0
#include "cli/image_rows.h"

#include <algorithm>
#include <map>

#include "cli/reference.h"
#include "cli/units.h"

namespace pila::cli {

namespace {

struct Name {
    std::string repository, tag, digest;
};

std::vector<Name> names_of(const json::value& image, Digests wanted) {
    std::map<std::string, std::vector<std::string>> tags, digests;
    std::vector<std::string> order;
    auto remember = [&](const std::string& name) {
        if (std::find(order.begin(), order.end(), name) == order.end()) order.push_back(name);
    };
    for (const auto& item : items(image, "RepoTags")) {
        auto reference = parse_reference(as_text(item));
        if (!reference || reference->tag.empty()) continue;
        tags[reference->familiar_name()].push_back(reference->tag);
        remember(reference->familiar_name());
    }
    for (const auto& item : items(image, "RepoDigests")) {
        auto reference = parse_reference(as_text(item));
        if (!reference || reference->digest.empty()) continue;
        digests[reference->familiar_name()].push_back(reference->digest);
        remember(reference->familiar_name());
    }
    std::vector<Name> names;
    for (const auto& name : order) {
        const auto& own = digests[name];
        if (tags[name].empty()) {
            if (wanted == Digests::Hide)
                names.push_back({name, "<none>", "<none>"});
            else
                for (const auto& digest : own) names.push_back({name, "<none>", digest});
        }
        for (const auto& tag : tags[name]) {
            if (wanted == Digests::Hide || own.empty())
                names.push_back({name, tag, "<none>"});
            else
                for (const auto& digest : own) names.push_back({name, tag, digest});
        }
    }
    if (names.empty()) names.push_back({"<none>", "<none>", "<none>"});
    return names;
}

std::string optional_size(const json::value& image, std::string_view key) {
    return real(image, key) < 0 || path(image, key).is_null() ? "N/A" : decimal_size(real(image, key));
}

}  // namespace

std::vector<Column> image_columns() {
    return {{"Containers", "CONTAINERS"},
            {"CreatedAt", "CREATED AT"},
            {"CreatedSince", "CREATED"},
            {"Digest", "DIGEST"},
            {"ID", "IMAGE ID"},
            {"Repository", "REPOSITORY"},
            {"SharedSize", "SHARED SIZE"},
            {"Size", "SIZE"},
            {"Tag", "TAG"},
            {"UniqueSize", "UNIQUE SIZE"},
            {"VirtualSize", "SIZE"}};
}

std::vector<Row> image_rows(const json::value& image, bool full, Digests digests) {
    std::vector<Row> rows;
    auto id = text(image, "Id");
    auto created = number(image, "Created");
    auto containers = number(image, "Containers");
    auto size = real(image, "Size"), shared = real(image, "SharedSize");
    for (const auto& name : names_of(image, digests)) {
        Row row;
        auto& columns = row.columns;
        columns["Containers"] = containers == -1 ? std::string("N/A") : std::to_string(containers);
        columns["CreatedAt"] = local_time(created);
        columns["CreatedSince"] = created > 0 ? ago(created) : "N/A";
        columns["Digest"] = name.digest;
        columns["ID"] = full ? id : short_id(id);
        columns["Repository"] = name.repository;
        columns["SharedSize"] = optional_size(image, "SharedSize");
        columns["Size"] = decimal_size(size, 3);
        columns["Tag"] = name.tag;
        columns["UniqueSize"] = shared < 0 ? std::string("N/A") : decimal_size(size - shared);
        columns["VirtualSize"] = decimal_size(size);
        rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace pila::cli
