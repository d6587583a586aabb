// SPDX-License-Identifier: Apache-2.0
#include "cli/json_helpers.h"
#include "cli/streams.h"
#include "cli/units.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

int logs_verb(Invocation& invocation) {
    bool details = false, follow = false, timestamps = false;
    std::string since, until, tail = "all";
    Flags flags(invocation, "[OPTIONS] CONTAINER", "Fetch the logs of a container");
    flags.add({{"details", 0, &details, "Show the extra details of the log driver"},
               {"follow", 'f', &follow, "Follow the output"},
               {"since", 0, &since, "Only what is newer: a time (\"2013-01-02T13:23:37Z\") or an age (\"42m\")"},
               {"until", 0, &until, "Only what is older: a time or an age"},
               {"tail", 'n', &tail, "Number of lines from the end", "", "\"all\""},
               {"timestamps", 't', &timestamps, "Show timestamps"}});
    if (auto code = flags.parse({1, 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto container = (*api)->json({.path = fmt::format("/containers/{}/json", path_part(flags.arguments()[0]))});
    if (!container) return fail(container.error());
    Call call{.path = fmt::format("/containers/{}/logs", text(*container, "Id"))};
    call.query.add_if(details, "details", "1").add_if(follow, "follow", "1");
    for (auto [name, value] : {std::pair{"since", &since}, std::pair{"until", &until}}) {
        if (value->empty()) continue;
        auto time = parse_since(*value, now_wall());
        if (!time) return fail(fmt::format("invalid value for \"{}\": {}", name, time.error().message()));
        call.query.add(name, *time);
    }
    call.query.add("stderr", "1").add("stdout", "1").add("tail", tail).add_if(timestamps, "timestamps", "1");
    auto response = (*api)->open(call);
    if (!response) return fail(response.error());
    auto copied = copy_to_output(*response->body, truthy(*container, "Config.Tty"));
    return copied ? 0 : fail(copied.error());
}

}  // namespace pila::cli
