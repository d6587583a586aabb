// SPDX-License-Identifier: Apache-2.0
#pragma once
// From a Plan to a running process, in the calling process (shim or command line; one thread). The parent's part is
// here, the child's part is init_internal.h. Cgroups are made while the child builds its mounts.

#include <sys/types.h>
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
    int self_exe = -1;  // for plan.init
    bool die_with_parent = true;
};

// A process on its way to exec. Whoever drops it before finish() succeeded kills it.
class Launch {
public:
    // Clones the first process of a container.
    static Result<Launch> container(const LaunchInput& input);
    // Clones one more process into the container whose first process is `init`.
    static Result<Launch> exec(const Plan& container, const ProcessPlan& process, const Stdio& stdio,
                               const os::Cgroup& cgroup, FdView init_pidfd);
    Launch(Launch&&) = default;
    Launch& operator=(Launch&&) = default;
    ~Launch();

    pid_t pid() const { return pid_; }
    FdView pidfd() const { return pidfd_; }
    FdView channel() const { return channel_; }
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

    pid_t pid_ = -1;
    Fd pidfd_, channel_, terminal_;
    bool running_ = false, reset_seen_ = false;
};

// Limits and device rules of a made group.
Result<void> apply_resources(const os::Cgroup& cgroup, const ResourcePlan& resources);
// For `update`: all of it or nothing; leaves the device rules alone.
Result<void> update_resources(const os::Cgroup& cgroup, const ResourcePlan& resources);

}  // namespace pila::runtime
