// SPDX-License-Identifier: Apache-2.0
// diff, port, top: what one container shows of itself.
#include <algorithm>

#include "base/text.h"
#include "cli/json_helpers.h"
#include "cli/listing.h"
#include "cli/published_ports.h"
#include "cli/table_writer.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

int diff_verb(Invocation& invocation) {
    Flags flags(invocation, "CONTAINER", "Show changes to a container's file system");
    if (auto code = flags.parse({1, 1})) return *code;
    if (flags.arguments()[0].empty()) return fail("container name cannot be empty");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto changes = (*api)->json({.path = fmt::format("/containers/{}/changes", path_part(flags.arguments()[0]))});
    if (!changes) return fail(changes.error());
    for (const auto& change : items(*changes)) {
        auto kind = number(change, "Kind");
        fmt::print("{} {}\n", kind == 0 ? 'C' : kind == 1 ? 'A' : 'D', text(change, "Path"));
    }
    return 0;
}

int port_verb(Invocation& invocation) {
    Flags flags(invocation, "CONTAINER [PRIVATE_PORT[/PROTO]]", "List port mappings of a container");
    if (auto code = flags.parse({1, 2})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    const auto& arguments = flags.arguments();
    auto container = (*api)->json({.path = fmt::format("/containers/{}/json", path_part(arguments[0]))});
    if (!container) return fail(container.error());
    const auto& ports = members(*container, "NetworkSettings.Ports");
    std::vector<std::string> lines;
    auto add = [&](std::string_view port, std::string_view prefix) {
        static const json::value nothing;
        const auto* list = ports.if_contains(port);
        for (const auto& binding : items(list ? *list : nothing))
            lines.push_back(std::string(prefix) + host_and_port(text(binding, "HostIp"), text(binding, "HostPort")));
    };
    if (arguments.size() > 1) {
        auto wanted = arguments[1].find('/') == std::string::npos ? arguments[1] + "/tcp" : arguments[1];
        const auto* list = ports.if_contains(wanted);
        if (!list || items(*list).empty())
            return fail(fmt::format("Error: No public port '{}' published for {}", arguments[1], arguments[0]));
        add(wanted, "");
    } else {
        for (const auto& pair : ports) add(pair.key(), std::string(pair.key()) + " -> ");
    }
    std::sort(lines.begin(), lines.end(), [](auto& one, auto& other) { return natural_less(one, other); });
    for (const auto& line : lines) fmt::print("{}\n", line);
    return 0;
}

int top_verb(Invocation& invocation) {
    Flags flags(invocation, "CONTAINER [ps OPTIONS]", "Display the running processes of a container",
                Flags::Order::BeforeArguments);
    if (auto code = flags.parse({.least = 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    const auto& arguments = flags.arguments();
    Call call{.path = fmt::format("/containers/{}/top", path_part(arguments[0]))};
    if (arguments.size() > 1) call.query.add("ps_args", join({arguments.begin() + 1, arguments.end()}, " "));
    auto processes = (*api)->json(call);
    if (!processes) return fail(processes.error());
    auto line = [](const json::array& cells) {
        std::vector<std::string> texts;
        for (const auto& cell : cells) texts.push_back(as_text(cell));
        return join(texts, "\t") + "\n";
    };
    auto table = line(items(*processes, "Titles"));
    for (const auto& process : items(*processes, "Processes")) table += line(items(process));
    fmt::print("{}", align_columns(table, 20, 3));
    return 0;
}

}  // namespace pila::cli
