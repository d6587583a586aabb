// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a Plan to a running process, in the calling process (shim or command line; one thread). The parent's part is
// here, the child's part is init_internal.h. Cgroups are made while the child builds its mounts.

#include <sys/types.h>
#include <functional>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "os/cgroup.h"
#include "runtime/plan.h"

namespace pila::runtime {

// Descriptors of the caller that become 0, 1 and 2 of the payload; unused with a terminal.
struct Stdio {
    int in = -1, out = -1, error = -1;
};

struct LaunchInput {
    const Plan& plan;
    const std::vector<Fd>& fds;  // what the plan's indices mean
    Stdio stdio;
    const os::CgroupLayout& layout;
    const os::Cgroup& cgroup;  // invalid: none
    bool cgroup_made = false;
    // Somebody else makes the group around the process that exists already (systemd); empty: we make it.
    std::function<Result<void>(pid_t pid)> make_group = {};
    int self_exe = -1;  // for plan.init
    bool die_with_parent = true;
    int start_socket = -1;  // >= 0: the process waits there for `start`
};

struct ExecInput {
    const Plan& container;
    const ProcessPlan& process;
    const Stdio& stdio;
    const os::Cgroup& cgroup;
    FdView init_pidfd;
    bool die_with_parent = true;
    pid_t init_pid = 0;                  // for a container without a mount namespace: its root is told by that
    std::vector<os::Cgroup> moves = {};  // v1: then to other groups for some of the controllers
};

// A process on its way to exec. Whoever drops it before finish() succeeded kills it.
class Launch {
public:
    // Clones the first process of a container.
    static Result<Launch> container(const LaunchInput& input);
    // Clones one more process into the container whose first process is `init`.
    static Result<Launch> exec(const ExecInput& input);
    // Goes on with one that another process launched and that waits for `start`; nobody kills it.
    static Launch of_created(pid_t pid, Fd pidfd, Fd connection);
    Launch(Launch&&) = default;
    Launch& operator=(Launch&&) = default;
    ~Launch();

    pid_t pid() const { return pid_; }
    FdView pidfd() const { return pidfd_; }
    FdView channel() const { return channel_; }
    // What is done between clone and pivot_root, from here on needed to get on.
    void on_hooks(std::function<Result<void>()> run) { hooks_ = std::move(run); }
    void on_listener(std::function<Result<void>(Fd listener)> pass) { pass_listener_ = std::move(pass); }
    // Lets the payload's exec happen and waits for it. An error is the payload's: NotFound, Denied, or what failed.
    // `cancel`: gives up when it becomes readable; -1: never.
    Result<void> finish(int cancel = -1);
    // The same without waiting: begin() once, then step() whenever channel() is readable; true: exec succeeded.
    Result<void> begin();
    Result<bool> step();
    Fd take_pidfd() { return std::move(pidfd_); }
    Fd take_terminal() { return std::move(terminal_); }  // master side

private:
    Launch() = default;
    Result<void> say(char word, const std::vector<int>& fds = {});
    Result<bool> answer(const std::string& bytes);

    pid_t pid_ = -1;
    Fd pidfd_, channel_, terminal_;
    bool running_ = false, reset_seen_ = false;
    std::function<Result<void>()> hooks_;
    std::function<Result<void>(Fd)> pass_listener_;
};

// Limits and device rules of a made group.
Result<void> apply_resources(const os::Cgroup& cgroup, const ResourcePlan& resources);
// For `update`: all of it or nothing; leaves the device rules alone.
Result<void> update_resources(const os::Cgroup& cgroup, const ResourcePlan& resources);

}  // namespace pila::runtime
