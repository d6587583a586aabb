// SPDX-License-Identifier: Apache-2.0
// `create`, `start` and `run`.
#include <sys/socket.h>
#include <unistd.h>
#include <csignal>

#include <fmt/core.h>

#include "os/file.h"
#include "os/socket.h"
#include "os/spawn.h"
#include "runtime/bundle_internal.h"
#include "runtime/console_internal.h"
#include "runtime/hooks_internal.h"
#include "runtime/init_internal.h"
#include "runtime/options_internal.h"
#include "runtime/own_exe_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

namespace {

Result<BundleOptions> parse_options(const Invocation& call, bool run) {
    BundleOptions made;
    std::optional<std::int64_t> preserved;
    Options options;
    options.text("bundle", made.bundle, 'b')
        .text("console-socket", made.console_socket)
        .text("pid-file", made.pid_file)
        .flag("no-pivot", made.no_pivot)
        .flag("no-new-keyring", made.no_new_keyring)
        .number("preserve-fds", preserved);
    if (run) options.flag("detach", made.detached, 'd').flag("keep", made.keep).ignored("no-subreaper", false);
    auto words = TRY(options.parse_all(call.argc, call.argv));
    if (words.size() > 1) return Error(Errc::Invalid, "more than one container id");
    made.id = words.empty() ? "" : words[0];
    TRY(ContainerDirectory::check_id(made.id));
    made.preserved_fds = preserved.value_or(0);
    if (!run) made.detached = true;
    // The bundle's directory is the current one soon.
    made.pid_file = absolute_path(made.pid_file);
    made.console_socket = absolute_path(made.console_socket);
    return made;
}

// Whoever is in the container may look at the executable of a process that is about to execute there, for as long as
// that waits. own_exe_internal.h has what that means. Who has no privileges can overwrite only what is his anyway.
bool needs_protection() { return ::geteuid() == 0 && !own_exe_is_protected(); }

Result<int> attend(Bundle& bundle, const BundleOptions& options) {
    auto console = TRY(Console::prepare(bundle.plan().process));
    TRY(bundle.launch(Gate::Open));
    auto started = bundle.run_poststart_hooks();
    auto pidfd = bundle.take_pidfd();
    if (!started) ignore(os::send_signal(pidfd, SIGKILL), "it may have ended");
    auto code = console.serve(pidfd, bundle.take_terminal());
    if (!options.keep || !started)
        if (auto destroyed = bundle.destroy(); !destroyed && code) return destroyed.take_error();
    if (!started) return started.take_error();
    return code;
}

}  // namespace

Result<int> run_verb(const Invocation& call) {
    auto options = TRY(parse_options(call, true));
    auto bundle = TRY(Bundle::load(call, options));
    // Alone in its pid namespace nobody looks at it.
    if (!init::makes_namespace(bundle.plan(), Namespace::Pid) && needs_protection())
        return execute_protected(call.command_line);
    if (!options.detached) return attend(bundle, options);
    TRY(bundle.launch(Gate::Open));
    auto started = bundle.run_poststart_hooks();
    if (started) return 0;
    ignore(bundle.destroy(), "the error that led here is the one to report");
    return started.take_error();
}

Result<int> create_verb(const Invocation& call) {
    auto options = TRY(parse_options(call, false));
    if (needs_protection()) return execute_protected(call.command_line);
    auto bundle = TRY(Bundle::load(call, options));
    TRY(bundle.launch(Gate::Start));
    return 0;
}

namespace {

Result<void> run_poststart(const Plan& plan, const Record& record) {
    if (plan.bundle.hooks.poststart.empty()) return {};
    auto ran = run_hooks(plan.bundle.hooks.poststart, "poststart", state_text(plan, "running", record.pid));
    if (ran) return {};
    // As runc does: it is not the container that was asked for.
    if (auto process = open_process(record)) ignore(os::send_signal(*process, SIGKILL), "it may just have ended");
    return ran;
}

}  // namespace

Result<int> start_verb(const Invocation& call) {
    auto words = TRY(Options().parse_all(call.argc, call.argv));
    if (words.size() != 1) return Error(Errc::Invalid, "one container id is needed");
    auto directory = TRY(ContainerDirectory::find(call.state_root, words[0]));
    auto record = TRY(directory.read());
    auto status = directory.status(record);
    if (status == Status::Stopped) return Error(Errc::Conflict, "cannot start a container that has stopped");
    if (status == Status::Running) return Error(Errc::Conflict, "cannot start an already running container");
    if (status != Status::Created)
        return Error(Errc::Conflict, fmt::format("cannot start a container in the {} state", status_name(status)));
    Plan plan;
    if (record.attended_start) {
        plan = TRY(directory.read_plan(record));
        if (::chdir(record.bundle.c_str()) < 0) return Error::from_errno(errno, "enter the bundle");
    }
    auto process = TRY(open_process(record));
    auto connection = os::connect_unix(directory.start_socket(), SOCK_SEQPACKET);
    if (!connection) return Error(Errc::Conflict, "cannot start an already running container");
    auto launch = Launch::of_created(record.pid, std::move(process), connection.take());
    launch.on_listener([&](Fd listener) { return send_listener(plan, listener, "created", record.pid, record.pid); });
    auto begun = launch.finish();
    ignore(os::remove_file(directory.start_socket()), "the container may be deleted meanwhile");
    if (!begun) return begun.take_error();
    TRY(run_poststart(plan, record));
    return 0;
}

}  // namespace pila::runtime
