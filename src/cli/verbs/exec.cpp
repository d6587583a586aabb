// SPDX-License-Identifier: Apache-2.0
#include "cli/container_options.h"
#include "cli/containers.h"
#include "cli/env_file.h"
#include "cli/json_helpers.h"
#include "cli/template.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

namespace {

struct ExecOptions {
    bool detach = false, interactive = false, tty = false, privileged = false;
    std::string detach_keys, user, working_directory;
    Texts environment, environment_files;
};

json::array console_size() {
    auto size = terminal_size(1);
    return size ? json::array{size->rows, size->columns} : json::array{0, 0};
}

Result<json::object> exec_body(const ExecOptions& o, const Texts& command, const std::string& keys, int minor) {
    Texts environment;
    for (const auto& file : o.environment_files)
        for (auto& line : TRY(read_env_file(file, BareNames::FromEnvironment))) environment.push_back(std::move(line));
    environment.insert(environment.end(), o.environment.begin(), o.environment.end());
    json::object body;
    body["User"] = o.user;
    body["Privileged"] = o.privileged;
    body["Tty"] = o.tty;
    if (o.tty && minor >= 42) body["ConsoleSize"] = console_size();
    body["AttachStdin"] = o.interactive && !o.detach;
    body["AttachStderr"] = !o.detach;
    body["AttachStdout"] = !o.detach;
    body["Detach"] = o.detach;
    body["DetachKeys"] = keys;
    body["Env"] = list_or_null(environment);
    body["WorkingDir"] = o.working_directory;
    body["Cmd"] = list_or_null(command);
    return body;
}

int exec_attached(Api& api, const std::string& id, const ExecOptions& options, const std::string& keys,
                  std::string start_body) {
    AttachRequest request;
    request.path = fmt::format("/exec/{}/start", id);
    request.body = std::move(start_body);
    request.terminal = options.tty;
    request.input = options.interactive;
    request.detach_keys = keys;
    request.resize_path = fmt::format("/exec/{}/resize", id);
    auto attachment = Attachment::open(api, std::move(request));
    if (!attachment) return fail(attachment.error());
    (*attachment)->resize();
    auto end = (*attachment)->carry();
    if (!end) return fail(end.error());
    if (*end == StreamEnd::Detached) return fail("read escape sequence");
    auto state = api.json({.path = fmt::format("/exec/{}/json", id)});
    if (!state) return fail(state.error());
    return static_cast<int>(number(*state, "ExitCode"));
}

}  // namespace

int exec_verb(Invocation& invocation) {
    ExecOptions options;
    Flags flags(invocation, "[OPTIONS] CONTAINER COMMAND [ARG...]", "Execute a command in a running container",
                Flags::Order::BeforeArguments);
    flags.add({{"detach", 'd', &options.detach, "Run the command in the background"},
               {"detach-keys", 0, &options.detach_keys, "Key sequence that detaches from the container"},
               {"env", 'e', environment_variable(options.environment), "Set an environment variable", "list"},
               {"env-file", 0, &options.environment_files, "Read environment variables from a file"},
               {"interactive", 'i', &options.interactive, "Keep STDIN open even when nothing is attached"},
               {"privileged", 0, &options.privileged, "Give the command the rights of the host's root"},
               {"tty", 't', &options.tty, "Give the command a terminal"},
               {"user", 'u', &options.user, "User to run as: <name|uid>[:<group|gid>]"},
               {"workdir", 'w', &options.working_directory, "Working directory in the container"}});
    if (auto code = flags.parse({.least = 2})) return *code;
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto keys = detach_keys_of(invocation.global, options.detach_keys);
    if (!keys) return fail(keys.error());
    const auto& arguments = flags.arguments();
    auto body = exec_body(options, {arguments.begin() + 1, arguments.end()}, options.detach_keys, (*api)->minor());
    if (!body) return fail(body.error());
    // Asked first so that a container that does not run is named before the terminal is.
    auto container = (*api)->text({.path = fmt::format("/containers/{}/json", path_part(arguments[0]))});
    if (!container) return fail(container.error());
    if (auto fits = check_terminal(options.interactive && !options.detach, options.tty); !fits)
        return fail(fits.error());
    auto created = (*api)->json({.method = "POST",
                                 .path = fmt::format("/containers/{}/exec", path_part(arguments[0])),
                                 .body = compact_json(*body)});
    if (!created) return fail(created.error());
    auto id = text(*created, "Id");
    json::object start{{"Detach", options.detach}, {"Tty", options.tty}};
    if (options.tty && (*api)->minor() >= 42) start["ConsoleSize"] = console_size();
    if (!options.detach) return exec_attached(**api, id, options, *keys, compact_json(start));
    auto started =
        (*api)->done({.method = "POST", .path = fmt::format("/exec/{}/start", id), .body = compact_json(start)});
    return started ? 0 : fail(started.error());
}

}  // namespace pila::cli
