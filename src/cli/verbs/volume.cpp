// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/text.h"
#include "cli/container_values.h"
#include "cli/filter_flag.h"
#include "cli/listing.h"
#include "cli/registry_auth.h"
#include "cli/template.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "cli/volume_row.h"

namespace pila::cli {

int volume_create_verb(Invocation& invocation) {
    std::string driver = "local", name;
    std::vector<std::string> labels, options;
    Flags flags(invocation, "[OPTIONS] [VOLUME]", "Create a volume");
    flags.add({{"driver", 'd', &driver, "Driver of the volume", "", "\"local\""},
               {"label", 0, label(labels), "Set a label", "list"},
               {"name", 0, &name, "", "", "", 0, true},
               {"opt", 'o', &options, "Option of the driver", "map", "map[]"}});
    if (auto code = flags.parse({0, 1})) return *code;
    if (!flags.arguments().empty()) {
        if (!name.empty())
            return fail(
                "conflicting options: cannot specify a volume-name through both --name and as a positional arg");
        name = flags.arguments()[0];
    }
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    json::object body{{"Driver", driver}};
    if (!options.empty()) body["DriverOpts"] = pairs_of(options);
    if (!labels.empty()) body["Labels"] = pairs_of(labels);
    if (!name.empty()) body["Name"] = name;
    auto created = (*api)->json({.method = "POST", .path = "/volumes/create", .body = compact_json(body)});
    if (!created) return fail(created.error());
    fmt::print("{}\n", text(*created, "Name"));
    return 0;
}

int volume_ls_verb(Invocation& invocation) {
    bool quiet = false;
    std::string format;
    Filters filters;
    Flags flags(invocation, "[OPTIONS]", "List volumes");
    flags.add({filter_flag(filters, 'f', "Only volumes that fit the condition (e.g. \"dangling=true\")"),
               {"format", 0, &format, "Format: 'table', 'table TEMPLATE', 'json' or a Go template"},
               {"quiet", 'q', &quiet, "Show names only"}});
    if (auto code = flags.parse({0, 0})) return *code;
    if (format.empty() && !quiet) format = preference(invocation.global, "volumesFormat");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Call call{.path = "/volumes"};
    call.query.add_if(!filters.empty(), "filters", filters.text());
    auto volumes = (*api)->json(call);
    if (!volumes) return fail(volumes.error());
    std::vector<const json::value*> sorted;
    for (const auto& volume : items(*volumes, "Volumes")) sorted.push_back(&volume);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](auto* one, auto* other) { return natural_less(text(*one, "Name"), text(*other, "Name")); });
    Listing listing(quiet && format.empty() ? "{{.Name}}" : format, "{{.Driver}}\t{{.Name}}", volume_columns());
    for (const auto* volume : sorted) listing.add(volume_row(*volume));
    return listing.print();
}

int volume_rm_verb(Invocation& invocation) {
    bool force = false;
    Flags flags(invocation, "[OPTIONS] VOLUME [VOLUME...]", "Remove one or more volumes");
    flags.add({{"force", 'f', &force, "No error when the volume does not exist"}});
    if (auto code = flags.parse({.least = 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    std::vector<std::string> problems;
    for (const auto& name : flags.arguments()) {
        Call call{.method = "DELETE", .path = "/volumes/" + path_part(name)};
        call.query.add_if(force, "force", "1");
        auto removed = (*api)->done(call);
        if (removed)
            fmt::print("{}\n", name);
        else
            problems.push_back(removed.error().message());
    }
    return problems.empty() ? 0 : fail(join(problems, "\n"));
}

}  // namespace pila::cli
