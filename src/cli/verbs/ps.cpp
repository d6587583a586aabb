// SPDX-License-Identifier: Apache-2.0
#include "cli/container_row.h"
#include "cli/filter_flag.h"
#include "cli/registry_auth.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

int ps_verb(Invocation& invocation) {
    bool all = false, full = false, quiet = false, size = false, latest = false;
    std::int64_t last = -1;
    std::string format;
    Filters filters;
    Flags flags(invocation, "[OPTIONS]", "List containers");
    flags.add({{"all", 'a', &all, "Show stopped containers too"},
               filter_flag(filters, 'f', "Only containers that fit the condition"),
               {"format", 0, &format, "Format: 'table', 'table TEMPLATE', 'json' or a Go template"},
               {"last", 'n', &last, "Show the n last created containers, whatever their state", "", "-1"},
               {"latest", 'l', &latest, "Show the last created container, whatever its state"},
               {"no-trunc", 0, &full, "Do not cut the output"},
               {"quiet", 'q', &quiet, "Show ids only"},
               {"size", 's', &size, "Show file sizes"}});
    if (auto code = flags.parse({0, 0})) return *code;
    if (latest && last == -1) last = 1;
    if (quiet && !format.empty())
        fmt::print(stderr, "WARNING: Ignoring custom format, because both --format and --quiet are set.\n");
    if (format.empty() && !quiet) format = preference(invocation.global, "psFormat");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    bool wants_size = size || (!quiet && format.find(".Size") != std::string::npos);
    Call call{.path = "/containers/json"};
    call.query.add_if(all, "all", "1")
        .add_if(last > 0, "limit", std::to_string(last))
        .add_if(wants_size, "size", "1")
        .add_if(!filters.empty(), "filters", filters.text());
    auto containers = (*api)->json(call);
    if (!containers) return fail(containers.error());
    std::string standard = "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}";
    if (size) standard += "\t{{.Size}}";
    Listing listing(quiet ? "{{.ID}}" : format, standard, container_columns());
    listing.set_type("*formatter.ContainerContext");
    for (const auto& container : items(*containers)) listing.add(container_row(container, full));
    return listing.print();
}

}  // namespace pila::cli
