// SPDX-License-Identifier: Apache-2.0
// Verbs that send one request for each container they name.
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

std::string container_path(const std::string& name, std::string_view action) {
    return fmt::format("/containers/{}/{}", path_part(name), action);
}

struct StopOptions {
    std::string action, signal, timeout;
};

Result<void> stop_one(Api& api, const std::string& name, const void* raw) {
    const auto& options = *static_cast<const StopOptions*>(raw);
    Call call{.method = "POST", .path = container_path(name, options.action)};
    call.query.add_if(!options.signal.empty() && api.minor() >= 42, "signal", options.signal)
        .add_if(!options.timeout.empty(), "t", options.timeout);
    return api.done(call);
}

int stop_or_restart(Invocation& invocation, std::string action, std::string_view summary) {
    StopOptions options{std::move(action), "", ""};
    std::int64_t timeout = 0, time = 0;
    Flags flags(invocation, "[OPTIONS] CONTAINER [CONTAINER...]", summary);
    flags.add({{"signal", 's', &options.signal, "Signal to send to the container"},
               {"timeout", 't', &timeout, "Seconds to wait before killing the container"},
               {"time", 0, &time, "", "", "", 0, true}});
    if (auto code = flags.parse({.least = 1})) return *code;
    if (flags.changed("time") && flags.changed("timeout"))
        return fail("conflicting options: cannot specify both --timeout and --time");
    if (flags.changed("timeout")) options.timeout = std::to_string(timeout);
    if (flags.changed("time")) {
        fmt::print("Flag --time has been deprecated, use --timeout instead\n");
        options.timeout = std::to_string(time);
    }
    auto api = connect(invocation, flags);
    return api ? for_each(**api, flags.arguments(), stop_one, &options) : fail(api.error());
}

int plain_action(Invocation& invocation, std::string_view action, std::string_view summary) {
    Flags flags(invocation, "CONTAINER [CONTAINER...]", summary);
    if (auto code = flags.parse({.least = 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    return for_each(
        **api, flags.arguments(),
        [](Api& each, const std::string& name, const void* what) {
            return each.done(
                {.method = "POST", .path = container_path(name, *static_cast<const std::string_view*>(what))});
        },
        &action);
}

}  // namespace

int stop_verb(Invocation& invocation) {
    return stop_or_restart(invocation, "stop", "Stop one or more running containers");
}
int restart_verb(Invocation& invocation) {
    return stop_or_restart(invocation, "restart", "Restart one or more containers");
}
int pause_verb(Invocation& invocation) {
    return plain_action(invocation, "pause", "Pause all processes of one or more containers");
}
int unpause_verb(Invocation& invocation) {
    return plain_action(invocation, "unpause", "Unpause all processes of one or more containers");
}

int kill_verb(Invocation& invocation) {
    std::string signal;
    Flags flags(invocation, "[OPTIONS] CONTAINER [CONTAINER...]", "Kill one or more running containers");
    flags.add({{"signal", 's', &signal, "Signal to send to the container"}});
    if (auto code = flags.parse({.least = 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    return for_each(
        **api, flags.arguments(),
        [](Api& each, const std::string& name, const void* raw) {
            const auto& wanted = *static_cast<const std::string*>(raw);
            Call call{.method = "POST", .path = container_path(name, "kill")};
            call.query.add_if(!wanted.empty(), "signal", wanted);
            return each.done(call);
        },
        &signal);
}

int rm_verb(Invocation& invocation) {
    struct Options {
        bool force = false, link = false, volumes = false;
    } options;
    Flags flags(invocation, "[OPTIONS] CONTAINER [CONTAINER...]", "Remove one or more containers");
    flags.add({{"force", 'f', &options.force, "Remove running containers too (with SIGKILL)"},
               {"link", 'l', &options.link, "Remove the link"},
               {"volumes", 'v', &options.volumes, "Remove the container's anonymous volumes"}});
    if (auto code = flags.parse({.least = 1})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    return for_each(
        **api, flags.arguments(),
        [](Api& each, const std::string& name, const void* raw) -> Result<void> {
            const auto& wanted = *static_cast<const Options*>(raw);
            auto trimmed = name.substr(std::min(name.find_first_not_of('/'), name.size()));
            if (trimmed.empty()) return Error(Errc::Invalid, "container name cannot be empty");
            Call call{.method = "DELETE", .path = "/containers/" + path_part(trimmed)};
            call.query.add_if(wanted.force, "force", "1")
                .add_if(wanted.link, "link", "1")
                .add_if(wanted.volumes, "v", "1");
            return each.done(call);
        },
        &options, options.force ? std::optional(Errc::NotFound) : std::nullopt);
}

int rename_verb(Invocation& invocation) {
    Flags flags(invocation, "CONTAINER NEW_NAME", "Rename a container");
    if (auto code = flags.parse({2, 2})) return *code;
    const auto& names = flags.arguments();
    if (names[0].empty() || names[1].empty()) return fail("Error: Neither old nor new names may be empty");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    Call call{.method = "POST", .path = container_path(names[0], "rename")};
    call.query.add("name", names[1]);
    auto renamed = (*api)->done(call);
    if (renamed) return 0;
    fail(renamed.error());
    return fail(fmt::format("Error: failed to rename container named {}", names[0]));
}

}  // namespace pila::cli
