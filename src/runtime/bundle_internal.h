// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a bundle to a container, for `create` and `run`.

#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "os/cgroup.h"
#include "runtime/container_record_internal.h"
#include "runtime/launch_internal.h"
#include "runtime/plan.h"
#include "runtime/systemd_scope_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

struct BundleOptions {
    std::string id, bundle = ".", pid_file, console_socket;
    bool no_pivot = false, no_new_keyring = false;
    bool detached = false;  // nobody of ours attends the container
    bool keep = false;      // `run`: what is left of it stays for `delete`
    std::int64_t preserved_fds = 0;
};

enum class Gate : std::uint8_t { Start, Open };  // does the container wait for `start`?

class Bundle {
public:
    static Result<Bundle> load(const Invocation& call, const BundleOptions& options);
    // Up to the payload's exec, or to where it waits for `start`.
    Result<void> launch(Gate gate);
    Result<void> run_poststart_hooks();
    // Unmakes everything that launch() made.
    Result<void> destroy();

    Plan& plan() { return plan_; }
    Fd take_pidfd() { return std::move(pidfd_); }
    Fd take_terminal() { return std::move(terminal_); }

private:
    Bundle(const Invocation& call, const BundleOptions& options) : call_(call), options_(options) {}
    Result<void> read_config();
    Result<void> prepare_cgroup();
    Result<void> launch_prepared(Gate gate);
    Result<void> launch_process(Gate gate, FdView console);
    Result<void> write_record(pid_t pid);
    std::function<Result<void>(pid_t)> scope_maker() const;

    const Invocation& call_;
    const BundleOptions& options_;
    std::string config_;
    Plan plan_;
    os::CgroupLayout layout_;
    os::Cgroup cgroup_;
    bool cgroup_made_ = false;
    ScopeName scope_;
    std::optional<ContainerDirectory> directory_;
    Record record_;
    Fd pidfd_, terminal_;
};

// Asked for, and not to be had here: told with the field's name.
Result<void> check_labels(ProcessPlan& process, const std::string& mount_label);
// Descriptors that the caller passes on to the container (--preserve-fds, LISTEN_FDS); the environment tells of them.
Result<void> pass_descriptors(std::int64_t preserved, ProcessPlan& process);
Result<void> send_terminal(FdView console_socket, FdView terminal);
// Over the bundle's seccomp listenerPath, with the container process state.
Result<void> send_listener(const Plan& plan, FdView listener, std::string_view status, pid_t process, pid_t container);
std::string absolute_path(const std::string& path);

}  // namespace pila::runtime
