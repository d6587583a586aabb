// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "cli/container_row.h"
#include "cli/image_rows.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "cli/volume_row.h"

namespace pila::cli {

namespace {

struct Usage {
    std::size_t total = 0, active = 0;
    double size = 0, reclaimable = 0;
};

Usage of_images(const json::value& df) {
    Usage usage{items(df, "Images").size()};
    usage.size = real(df, "LayersSize");
    double used = 0;
    for (const auto& image : items(df, "Images")) {
        if (number(image, "Containers") == 0) continue;
        ++usage.active;
        double shared = real(image, "SharedSize");
        if (shared != -1) used += real(image, "Size") - shared;
    }
    usage.reclaimable = usage.size - used;
    return usage;
}

Usage of_containers(const json::value& df) {
    Usage usage{items(df, "Containers").size()};
    for (const auto& container : items(df, "Containers")) {
        auto state = text(container, "State");
        bool active = state == "running" || state == "paused" || state == "restarting";
        usage.active += active;
        usage.size += real(container, "SizeRw");
        if (!active) usage.reclaimable += real(container, "SizeRw");
    }
    return usage;
}

Usage of_volumes(const json::value& df) {
    Usage usage{items(df, "Volumes").size()};
    for (const auto& volume : items(df, "Volumes")) {
        auto size = std::max(0.0, real(volume, "UsageData.Size"));
        bool active = number(volume, "UsageData.RefCount") > 0;
        usage.active += active;
        usage.size += size;
        if (!active) usage.reclaimable += size;
    }
    return usage;
}

Usage of_cache(const json::value& df) {
    Usage usage{items(df, "BuildCache").size()};
    for (const auto& record : items(df, "BuildCache")) {
        usage.active += truthy(record, "InUse");
        if (truthy(record, "Shared")) continue;
        usage.size += real(record, "Size");
        if (!truthy(record, "InUse")) usage.reclaimable += real(record, "Size");
    }
    return usage;
}

Row usage_row(std::string_view type, const Usage& usage, bool with_percent) {
    Row row;
    auto reclaimable = decimal_size(usage.reclaimable);
    if (with_percent && usage.size > 0)
        reclaimable += fmt::format(" ({}%)", static_cast<int>(usage.reclaimable * 100 / usage.size));
    row.columns["Active"] = std::to_string(usage.active);
    row.columns["Reclaimable"] = reclaimable;
    row.columns["Size"] = decimal_size(usage.size);
    row.columns["TotalCount"] = std::to_string(usage.total);
    row.columns["Type"] = type;
    return row;
}

Result<std::string> details(const json::value& df) {
    std::string out = "Images space usage:\n\n";
    Listing images("",
                   "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}"
                   "\t{{.Containers}}",
                   image_columns());
    for (const auto& image : items(df, "Images"))
        for (auto& row : image_rows(image, false, Digests::Hide)) images.add(std::move(row));
    out += TRY(images.text());
    out += "\nContainers space usage:\n\n";
    Listing containers(
        "", "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
        container_columns());
    for (const auto& container : items(df, "Containers")) {
        auto row = container_row(container, false);
        row.columns["Size"] = decimal_size(real(container, "SizeRw"), 3);
        containers.add(std::move(row));
    }
    out += TRY(containers.text());
    out += "\nLocal Volumes space usage:\n\n";
    Listing volumes("", "{{.Name}}\t{{.Links}}\t{{.Size}}", volume_columns());
    for (const auto& volume : items(df, "Volumes")) volumes.add(volume_row(volume));
    out += TRY(volumes.text());
    auto cache_usage = of_cache(df);
    out += fmt::format("\nBuild cache usage: {}\n\n", decimal_size(cache_usage.size));
    Listing cache(
        "", "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}",
        {{"ID", "CACHE ID"},
         {"CacheType", "CACHE TYPE"},
         {"Size", "SIZE"},
         {"CreatedSince", "CREATED"},
         {"LastUsedSince", "LAST USED"},
         {"UsageCount", "USAGE"},
         {"Shared", "SHARED"}});
    for (const auto& record : items(df, "BuildCache")) {
        auto age = [&](std::string_view key) {
            auto time = parse_rfc3339(text(record, key));
            return time ? ago(time->seconds()) : std::string();
        };
        Row row;
        row.columns = {{"ID", ellipsis(text(record, "ID"), 12)},
                       {"CacheType", text(record, "Type")},
                       {"Size", decimal_size(real(record, "Size"), 3)},
                       {"CreatedSince", age("CreatedAt")},
                       {"LastUsedSince", age("LastUsedAt")},
                       {"UsageCount", std::to_string(number(record, "UsageCount"))},
                       {"Shared", truthy(record, "Shared") ? "true" : "false"}};
        cache.add(std::move(row));
    }
    out += TRY(cache.text());
    return out;
}

}  // namespace

int system_df_verb(Invocation& invocation) {
    bool verbose = false;
    std::string format;
    Flags flags(invocation, "[OPTIONS]", "Show disk usage");
    flags.add({{"format", 0, &format, "Format: 'table', 'table TEMPLATE', 'json' or a Go template"},
               {"verbose", 'v', &verbose, "Show every object"}});
    if (auto code = flags.parse({0, 0})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto df = (*api)->json({.path = "/system/df"});
    if (!df) return fail(df.error());
    if (verbose && format.empty()) {
        auto text = details(*df);
        if (!text) return fail(text.error());
        fmt::print("{}", *text);
        return 0;
    }
    Listing listing(format, "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
                    {{"Active", "ACTIVE"},
                     {"Reclaimable", "RECLAIMABLE"},
                     {"Size", "SIZE"},
                     {"TotalCount", "TOTAL"},
                     {"Type", "TYPE"}});
    listing.add(usage_row("Images", of_images(*df), true));
    listing.add(usage_row("Containers", of_containers(*df), true));
    listing.add(usage_row("Local Volumes", of_volumes(*df), true));
    listing.add(usage_row("Build Cache", of_cache(*df), false));
    return listing.print();
}

}  // namespace pila::cli
