// SPDX-License-Identifier: Apache-2.0
// `exec`: another program in a container that runs.
#include <sys/socket.h>
#include <unistd.h>
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "os/capability.h"
#include "os/file.h"
#include "os/socket.h"
#include "runtime/bundle_internal.h"
#include "runtime/console_internal.h"
#include "runtime/exec_cgroup_internal.h"
#include "runtime/oci_internal.h"
#include "runtime/options_internal.h"
#include "runtime/own_exe_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

namespace {

struct ExecOptions {
    std::string process, working_directory, user, apparmor, label, pid_file, console_socket;
    std::vector<std::string> environment, groups, capabilities, cgroups;
    bool terminal = false, no_new_privileges = false, detached = false, paused = false;
    std::optional<std::int64_t> preserved;
    std::string id;
    std::vector<std::string> command;
};

Result<ExecOptions> parse_options(const Invocation& call) {
    ExecOptions made;
    Options options;
    options.text("process", made.process, 'p')
        .text("cwd", made.working_directory)
        .text("user", made.user, 'u')
        .text("apparmor", made.apparmor)
        .text("process-label", made.label)
        .text("pid-file", made.pid_file)
        .text("console-socket", made.console_socket)
        .texts("cgroup", made.cgroups)
        .texts("env", made.environment, 'e')
        .texts("additional-gids", made.groups, 'g')
        .texts("cap", made.capabilities, 'c')
        .flag("tty", made.terminal, 't')
        .flag("no-new-privs", made.no_new_privileges)
        .flag("detach", made.detached, 'd')
        .flag("ignore-paused", made.paused)
        .number("preserve-fds", made.preserved)
        .ignored("no-subreaper", false);
    int first = 0;
    TRY(options.parse_front(call.argc, call.argv, first));
    if (first >= call.argc) return Error(Errc::Invalid, "a container id is needed");
    made.id = call.argv[first];
    made.command.assign(call.argv + first + 1, call.argv + call.argc);
    if (made.command.empty() && made.process.empty())
        return Error(Errc::Invalid, "neither a command nor --process is given");
    made.pid_file = absolute_path(made.pid_file);
    made.console_socket = absolute_path(made.console_socket);
    return made;
}

Result<std::uint32_t> parse_id(std::string_view text, const char* option) {
    auto number = parse_uint(text);
    if (number && *number <= UINT32_MAX) return static_cast<std::uint32_t>(*number);
    return Error(Errc::Invalid,
                 fmt::format("option --{}: \"{}\" is no number of a user or group", option, printable(text)));
}

Result<void> apply_user(const ExecOptions& options, ProcessPlan& process) {
    if (!options.user.empty()) {
        auto colon = options.user.find(':');
        process.uid = TRY(parse_id(std::string_view(options.user).substr(0, colon), "user"));
        if (colon != std::string::npos) process.gid = TRY(parse_id(options.user.substr(colon + 1), "user"));
    }
    for (const auto& group : options.groups) process.additional_gids.push_back(TRY(parse_id(group, "additional-gids")));
    return {};
}

// The container's own process, with what the options say otherwise.
Result<ProcessPlan> process_of(const ExecOptions& options, const Plan& container) {
    if (!options.process.empty()) {
        auto text = TRY(os::read_file(options.process, 4U << 20));
        return oci::process_of_json(text, container.process);
    }
    auto process = container.process;
    process.args = options.command;
    process.terminal = options.terminal;
    process.terminal_rows = process.terminal_columns = 0;
    if (!options.working_directory.empty()) process.working_directory = options.working_directory;
    if (!options.apparmor.empty()) process.apparmor_profile = options.apparmor;
    if (!options.label.empty()) process.selinux_label = options.label;
    if (options.no_new_privileges) process.no_new_privileges = true;
    process.environment.insert(process.environment.end(), options.environment.begin(), options.environment.end());
    auto& sets = process.capabilities;
    for (const auto& name : options.capabilities) {
        auto number = os::capability_by_name(name);
        if (!number) return Error(Errc::Invalid, "option --cap: unknown capability " + printable(name));
        auto bit = std::uint64_t{1} << *number;
        sets.bounding |= bit;
        sets.effective |= bit;
        sets.permitted |= bit;
        if (sets.inheritable != 0) sets.inheritable |= bit;
        if (sets.ambient != 0) sets.ambient |= bit;
    }
    TRY(apply_user(options, process));
    return process;
}

Result<void> check_terminal(const ExecOptions& options, const ProcessPlan& process) {
    bool socket = !options.console_socket.empty();
    if (options.detached && process.terminal && !socket)
        return Error(Errc::Invalid, "a detached process with a terminal needs --console-socket");
    if (socket && !(options.detached && process.terminal))
        return Error(Errc::Invalid, "--console-socket: only for a detached process with a terminal");
    return {};
}

Result<int> execute(const ExecOptions& options, const Plan& container, ProcessPlan& process, const Record& record) {
    auto init = TRY(open_process(record));
    auto place = TRY(place_of_exec(options.cgroups, record));
    Fd socket;
    if (!options.console_socket.empty()) socket = TRY(os::connect_unix(options.console_socket, SOCK_STREAM));
    std::optional<Console> console;
    if (!options.detached) console.emplace(TRY(Console::prepare(process)));
    Stdio streams{0, 1, 2};
    auto launch = TRY(Launch::exec({.container = container,
                                    .process = process,
                                    .stdio = streams,
                                    .cgroup = place.group,
                                    .init_pidfd = init,
                                    .die_with_parent = !options.detached,
                                    .init_pid = record.pid,
                                    .moves = place.moves}));
    auto pid = launch.pid();
    launch.on_listener([&](Fd listener) { return send_listener(container, listener, "running", pid, record.pid); });
    TRY(launch.finish());
    if (!options.pid_file.empty()) TRY(os::replace_file(options.pid_file, std::to_string(pid), 0644, os::Sync::No));
    auto pidfd = launch.take_pidfd();
    auto terminal = launch.take_terminal();
    if (console) return console->serve(pidfd, std::move(terminal));
    if (socket) TRY(send_terminal(socket, terminal));
    return 0;
}

}  // namespace

Result<int> exec_verb(const Invocation& call) {
    auto options = TRY(parse_options(call));
    // Others in the container can look at the process before it executes: own_exe_internal.h.
    if (::geteuid() == 0 && !own_exe_is_protected()) return execute_protected(call.command_line);
    auto directory = TRY(ContainerDirectory::find(call.state_root, options.id));
    auto record = TRY(directory.read());
    auto status = directory.status(record);
    if (status == Status::Stopped) return Error(Errc::Conflict, "cannot exec in a stopped container");
    if (status == Status::Creating) return Error(Errc::Conflict, "cannot exec in a container that is being created");
    if (status == Status::Paused && !options.paused)
        return Error(Errc::Conflict, "cannot exec in a paused container (use --ignore-paused to override)");
    auto plan = TRY(directory.read_plan(record));
    auto process = TRY(process_of(options, plan));
    process.extras.keyring = "_ses." + record.id;
    TRY(check_labels(process, ""));
    TRY(check_terminal(options, process));
    TRY(pass_descriptors(options.preserved.value_or(0), process));
    return execute(options, plan, process, record);
}

}  // namespace pila::runtime
