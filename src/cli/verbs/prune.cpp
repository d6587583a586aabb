// SPDX-License-Identifier: Apache-2.0
// container, image, network, volume and system prune.
#include "base/text.h"
#include "cli/filter_flag.h"
#include "cli/json_helpers.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

struct Pruned {
    std::string text;  // "Deleted Networks:\n..." or ""
    double reclaimed = 0;
};

Result<Pruned> prune(Api& api, std::string_view kind, const Filters& filters, std::string_view list,
                     std::string_view title) {
    Call call{.method = "POST", .path = fmt::format("/{}/prune", kind)};
    call.query.add_if(!filters.empty(), "filters", filters.text());
    auto report = TRY(api.json(call));
    Pruned pruned;
    if (!items(report, list).empty()) pruned.reclaimed = real(report, "SpaceReclaimed");
    for (const auto& item : items(report, list)) {
        if (pruned.text.empty()) pruned.text = fmt::format("Deleted {}:\n", title);
        if (item.is_string())
            pruned.text += as_text(item) + "\n";
        else if (auto tag = text(item, "Untagged"); !tag.empty())
            pruned.text += "untagged: " + tag + "\n";
        else
            pruned.text += "deleted: " + text(item, "Deleted") + "\n";
    }
    return pruned;
}

struct Options {
    bool force = false, all = false;
    Filters filters;
};

int prune_one(Invocation& invocation, Flags& flags, const Options& options, std::string_view warning,
              std::string_view kind, std::string_view list, std::string_view title) {
    bool agreed = options.force || confirm(fmt::format("WARNING! {}\nAre you sure you want to continue?", warning));
    if (!agreed) return 0;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto pruned = prune(**api, kind, options.filters, list, title);
    if (!pruned) return fail(pruned.error());
    if (!pruned->text.empty()) fmt::print("{}\n", pruned->text);
    if (kind != "networks") fmt::print("Total reclaimed space: {}\n", decimal_size(pruned->reclaimed));
    return 0;
}

void add_flags(Flags& flags, Options& options) {
    flags.add({filter_flag(options.filters, 0, "Only what fits the condition (e.g. \"until=<timestamp>\")"),
               {"force", 'f', &options.force, "Do not ask"}});
}

}  // namespace

int prune_containers_verb(Invocation& invocation) {
    Options options;
    Flags flags(invocation, "[OPTIONS]", "Remove all stopped containers");
    add_flags(flags, options);
    if (auto code = flags.parse({0, 0})) return *code;
    return prune_one(invocation, flags, options, "This will remove all stopped containers.", "containers",
                     "ContainersDeleted", "Containers");
}

int prune_images_verb(Invocation& invocation) {
    Options options;
    Flags flags(invocation, "[OPTIONS]", "Remove unused images");
    add_flags(flags, options);
    flags.add({{"all", 'a', &options.all, "Remove all unused images, not just those without a name"}});
    if (auto code = flags.parse({0, 0})) return *code;
    options.filters.add("dangling", options.all ? "false" : "true");
    return prune_one(invocation, flags, options,
                     options.all ? "This will remove all images without at least one container associated to them."
                                 : "This will remove all dangling images.",
                     "images", "ImagesDeleted", "Images");
}

int prune_networks_verb(Invocation& invocation) {
    Options options;
    Flags flags(invocation, "[OPTIONS]", "Remove all unused networks");
    add_flags(flags, options);
    if (auto code = flags.parse({0, 0})) return *code;
    return prune_one(invocation, flags, options,
                     "This will remove all custom networks not used by at least one container.", "networks",
                     "NetworksDeleted", "Networks");
}

int prune_volumes_verb(Invocation& invocation) {
    Options options;
    Flags flags(invocation, "[OPTIONS]", "Remove unused local volumes");
    add_flags(flags, options);
    flags.add({{"all", 'a', &options.all, "Remove all unused volumes, not just anonymous ones", "", "", 42}});
    if (auto code = flags.parse({0, 0})) return *code;
    if (options.all) {
        if (options.filters.has("all"))
            return fail("conflicting options: cannot specify both --all and --filter all=1");
        options.filters.add("all", "true");
    }
    bool everything = options.filters.has("all");
    if (!everything) {
        auto api = connect(invocation, flags);
        if (!api) return fail(api.error());
        everything = (*api)->minor() < 42;  // older daemons know no difference
    }
    return prune_one(invocation, flags, options,
                     everything ? "This will remove all local volumes not used by at least one container."
                                : "This will remove anonymous local volumes not used by at least one container.",
                     "volumes", "VolumesDeleted", "Volumes");
}

namespace {

std::string system_warning(const Options& options, bool volumes) {
    std::string text =
        "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n";
    if (volumes) text += "  - all anonymous volumes not used by at least one container\n";
    text += options.all ? "  - all images without at least one container associated to them\n  - all build cache\n"
                        : "  - all dangling images\n  - unused build cache\n";
    if (!options.filters.empty()) {
        text += "\n  Items to be pruned will be filtered with:\n";
        if (auto parsed = parse_json(options.filters.text()))
            for (const auto& filter : parsed->get_object())
                for (const auto& value : filter.value().get_object())
                    text += fmt::format("  - {}={}\n", std::string(filter.key()), std::string(value.key()));
    }
    return text + "\nAre you sure you want to continue?";
}

}  // namespace

int system_prune_verb(Invocation& invocation) {
    Options options;
    bool volumes = false;
    Flags flags(invocation, "[OPTIONS]", "Remove unused data");
    add_flags(flags, options);
    flags.add({{"all", 'a', &options.all, "Remove all unused images, not just those without a name"},
               {"volumes", 0, &volumes, "Prune anonymous volumes too"}});
    if (auto code = flags.parse({0, 0})) return *code;
    if (volumes && options.filters.has("until"))
        return fail("ERROR: The \"until\" filter is not supported with \"--volumes\"");
    if (!options.force && !confirm(system_warning(options, volumes))) return 0;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Filters images = options.filters;
    images.add("dangling", options.all ? "false" : "true");
    struct Step {
        std::string_view kind, list, title;
        const Filters* filters;
        bool wanted;
    };
    const Step steps[] = {{"containers", "ContainersDeleted", "Containers", &options.filters, true},
                          {"networks", "NetworksDeleted", "Networks", &options.filters, true},
                          {"volumes", "VolumesDeleted", "Volumes", &options.filters, volumes},
                          {"images", "ImagesDeleted", "Images", &images, true}};
    double reclaimed = 0;
    for (const auto& step : steps) {
        if (!step.wanted) continue;
        auto pruned = prune(**api, step.kind, *step.filters, step.list, step.title);
        if (!pruned) return fail(pruned.error());
        if (!pruned->text.empty()) fmt::print("{}\n", pruned->text);
        reclaimed += pruned->reclaimed;
    }
    Call cache{.method = "POST", .path = "/build/prune"};
    cache.query.add_if(options.all, "all", "1").add("filters", options.filters.empty() ? "" : options.filters.text());
    if (auto report = (*api)->json(cache)) reclaimed += real(*report, "SpaceReclaimed");
    fmt::print("Total reclaimed space: {}\n", decimal_size(reclaimed));
    return 0;
}

}  // namespace pila::cli
