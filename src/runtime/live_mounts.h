// SPDX-License-Identifier: Apache-2.0
#pragma once
// Mounts of a container that runs. A process of its own (`pila-runtime mount`) enters the container's mount namespace,
// takes the steps and waits to be told that they stay: if it is not told, or the daemon dies, it takes them back.

#include <string>
#include <vector>

#include "base/fd.h"
#include "os/spawn.h"
#include "runtime/plan.h"

namespace pila::runtime {

struct MountStep {
    enum class Kind : std::uint8_t { Attach, Detach };
    Kind kind = Kind::Attach;
    // Attach: source_fd is an index into MountJob::sources. Detach: target and type; source_fd: what is to be found
    // there, -1 if that cannot be told.
    MountPlan mount;
    bool lazy = false;        // Detach, even if it is in use: whoever has it open keeps it
    bool if_missing = false;  // Attach, unless something is mounted there
};

struct MountJob {
    Fd mount_namespace;
    Fd user_namespace;  // that owns it; invalid: ours
    std::vector<MountStep> steps;
    std::vector<Fd> sources;
};

class LiveMounts {
public:
    // All steps or none. Conflict: what is to be detached is in use.
    static Result<LiveMounts> apply(const std::string& runtime_exe, const MountJob& job);
    LiveMounts(LiveMounts&&) = default;
    LiveMounts& operator=(LiveMounts&&) = delete;
    ~LiveMounts();  // takes the steps back unless they are kept
    void keep();

private:
    LiveMounts(os::Child process, Fd socket) : process_(std::move(process)), socket_(std::move(socket)) {}
    void end();
    os::Child process_;
    Fd socket_;
};

}  // namespace pila::runtime
