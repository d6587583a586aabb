// SPDX-License-Identifier: Apache-2.0
#include "runtime/bundle_internal.h"

#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>

#include <fmt/core.h>

#include "os/file.h"
#include "os/socket.h"
#include "os/spawn.h"
#include "runtime/hooks_internal.h"
#include "runtime/init_internal.h"
#include "runtime/oci_internal.h"
#include "runtime/state_files_internal.h"

namespace pila::runtime {

Result<void> Bundle::read_config() {
    char absolute[PATH_MAX];
    if (!::realpath(options_.bundle.c_str(), absolute)) return Error::from_errno(errno, "bundle " + options_.bundle);
    constexpr std::size_t largest_config = 4U << 20;
    config_ = TRY(os::read_file(std::string(absolute) + "/config.json", largest_config));
    plan_ = TRY(oci::plan_of_config(config_, absolute));
    // Hooks find themselves in the bundle, as with runc.
    if (::chdir(absolute) < 0) return Error::from_errno(errno, "enter the bundle");
    return {};
}

Result<Bundle> Bundle::load(const Invocation& call, const BundleOptions& options) {
    Bundle bundle(call, options);
    TRY(bundle.read_config());
    auto& plan = bundle.plan_;
    plan.id = options.id;
    plan.bundle.no_pivot = options.no_pivot;
    if (!options.no_new_keyring) plan.process.extras.keyring = "_ses." + options.id;
    TRY(check_labels(plan.process, plan.bundle.mount_label));
    TRY(pass_descriptors(options.preserved_fds, plan.process));
    bool terminal = plan.process.terminal, socket = !options.console_socket.empty();
    if (options.detached && terminal && !socket)
        return Error(Errc::Invalid, "process.terminal: a container that nobody attends needs --console-socket");
    if (socket && !(options.detached && terminal))
        return Error(Errc::Invalid,
                     "--console-socket: only for a container that nobody attends and that has a terminal");
    return bundle;
}

static bool wants_limits(const ResourcePlan& wanted) {
    return wanted.memory_limit || wanted.memory_swap || wanted.memory_reservation || wanted.cpu_quota_us ||
           wanted.pids_limit.value_or(0) > 0 || !wanted.cpuset_cpus.empty() || !wanted.unified.empty();
}

static std::vector<std::string> controllers_for(const ResourcePlan& wanted) {
    auto names = os::container_controllers();
    if (!wanted.huge_pages.empty()) names.emplace_back("hugetlb");
    if (!wanted.rdma.empty()) names.emplace_back("rdma");
    if (wanted.network_class) names.emplace_back("net_cls");
    if (!wanted.network_priorities.empty()) names.emplace_back("net_prio");
    return names;
}

Result<void> Bundle::prepare_cgroup() {
    auto& path = plan_.cgroup_path;
    layout_ = TRY(os::probe_cgroup_layout());
    if (call_.systemd_cgroup) {
        scope_ = TRY(locate_scope(path, options_.id, call_.rootless));
        path = scope_.cgroup_path;
    }
    if (path.empty()) path = options_.id;
    if (path[0] != '/') path = fmt::format("/{}", path);
    cgroup_ = os::Cgroup(layout_, path, controllers_for(plan_.resources));
    // A user namespace cannot make device nodes: the rules would only repeat what the kernel says.
    if (call_.rootless) plan_.resources.devices.clear();
    bool impossible = !cgroup_.valid();
    if (!impossible && call_.rootless && scope_.unit.empty()) {
        auto made = cgroup_.create();
        impossible = !made;
        cgroup_made_ = made.ok();
    }
    // The rest of the tree is systemd's own; of v1 it does not know all controllers.
    if (!scope_.unit.empty() && cgroup_.mode() == os::CgroupMode::V2) cgroup_made_ = true;
    if (!impossible) return {};
    if (wants_limits(plan_.resources))
        return Error(Errc::Unsupported, "linux.resources: resource limits need root or a delegated cgroup");
    cgroup_ = os::Cgroup();
    path.clear();
    return {};
}

Result<void> Bundle::write_record(pid_t pid) {
    record_.pid = pid;
    if (pid > 0) record_.started = TRY(process_name(pid)).started;
    return directory_->write(record_);
}

Result<void> Bundle::launch(Gate gate) {
    TRY(prepare_cgroup());
    directory_ = TRY(ContainerDirectory::take(call_.state_root, options_.id));
    plan_.state_directory = directory_->path();
    const auto& hooks = plan_.bundle.hooks;
    record_ = {.id = options_.id,
               .version = plan_.bundle.version,
               .bundle = plan_.bundle.directory,
               .root_path = plan_.root_path,
               .created = now_wall(),
               .owner = ::geteuid(),
               .annotations = plan_.bundle.annotations,
               .cgroup_path = plan_.cgroup_path,
               .controllers = controllers_for(plan_.resources),
               .unit = scope_.unit,
               .foreground = !options_.detached,
               .own_processes = init::makes_namespace(plan_, Namespace::Pid),
               .attended_start = !hooks.poststart.empty() || plan_.process.extras.seccomp_listener,
               .poststop = !hooks.poststop.empty()};
    if (!init::has_namespace(plan_, Namespace::Mount)) TRY(note_root(record_));
    auto launched = launch_prepared(gate);
    if (!launched) ignore(destroy(), "the error that led here is the one to report");
    return launched;
}

Result<void> Bundle::launch_prepared(Gate gate) {
    // Whoever kills us leaves enough for `delete --force`.
    if (options_.detached) TRY(write_record(0));
    TRY(directory_->write_config(config_));
    Fd console;
    if (!options_.console_socket.empty()) console = TRY(os::connect_unix(options_.console_socket, SOCK_STREAM));
    TRY(launch_process(gate, console));
    if (!options_.pid_file.empty())
        TRY(os::replace_file(options_.pid_file, std::to_string(record_.pid), 0644, os::Sync::No));
    return {};
}

std::function<Result<void>(pid_t)> Bundle::scope_maker() const {
    if (scope_.unit.empty()) return {};
    return [this](pid_t pid) { return start_scope(scope_, options_.id, pid, plan_.resources, cgroup_.mode()); };
}

Result<void> Bundle::launch_process(Gate gate, FdView console) {
    Fd start;
    if (gate == Gate::Start) start = TRY(os::listen_unix(directory_->start_socket(), SOCK_SEQPACKET));
    auto launch = TRY(Launch::container({.plan = plan_,
                                         .fds = {},
                                         .stdio = {0, 1, 2},
                                         .layout = layout_,
                                         .cgroup = cgroup_,
                                         .cgroup_made = cgroup_made_,
                                         .make_group = scope_maker(),
                                         .die_with_parent = !options_.detached,
                                         .start_socket = start.get()}));
    auto pid = launch.pid();
    TRY(write_record(pid));
    if (init::has_parent_hooks(plan_))
        launch.on_hooks([this, pid]() -> Result<void> {
            auto state = state_text(plan_, "creating", pid);
            TRY(run_hooks(plan_.bundle.hooks.prestart, "prestart", state));
            return run_hooks(plan_.bundle.hooks.create_runtime, "createRuntime", state);
        });
    if (plan_.process.extras.seccomp_listener)
        launch.on_listener([this, pid](Fd listener) { return send_listener(plan_, listener, "creating", pid, pid); });
    TRY(launch.finish());
    pidfd_ = launch.take_pidfd();
    terminal_ = launch.take_terminal();
    if (console.get() < 0) return {};
    auto sent = send_terminal(console, terminal_);
    terminal_.reset();
    return sent;
}

Result<void> Bundle::run_poststart_hooks() {
    const auto& hooks = plan_.bundle.hooks.poststart;
    if (hooks.empty()) return {};
    return run_hooks(hooks, "poststart", state_text(plan_, "running", record_.pid));
}

Result<void> Bundle::destroy() {
    // A child of ours that nobody else will wait for.
    bool runs = pidfd_ && open_process(record_);
    if (runs) {
        ignore(os::send_signal(pidfd_, SIGKILL), "it may just have ended");
        ignore(os::wait_child(pidfd_), "only reaps");
    }
    return destroy_container(*directory_, record_, cgroup_, runs);
}

}  // namespace pila::runtime
