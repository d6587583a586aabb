// SPDX-License-Identifier: Apache-2.0
#pragma once
// The only way pila starts another program: described as data, done with a vfork-like clone (the cost does not grow with
// the caller's memory), exec failure comes back as an Error. Threads: any.

#include <string>
#include <sys/types.h>
#include <vector>

#include "base/fd.h"

namespace pila::os {

struct SpawnedFd {
    int from;  // in the caller
    int to;    // in the child; every descriptor that is not named (0, 1, 2 included) is closed there
};

struct Spawn {
    std::string exe;                    // path; nothing is searched
    FdView exe_fd{-1};                  // when valid: executed instead of `exe` (execveat), e.g. a sealed memfd
    std::vector<std::string> argv;
    std::vector<std::string> environment;
    std::vector<SpawnedFd> fds;
    FdView cgroup{-1};                  // directory of a v2 cgroup to be born in; left out where that is refused
    bool new_session = true;            // setsid(2)
    bool die_with_parent = false;       // PR_SET_PDEATHSIG SIGKILL (of the calling thread: see prctl(2))
};

struct Child {
    pid_t pid = -1;
    Fd pidfd;
};

// Signals: none blocked, all at their default in the child.
Result<Child> spawn(const Spawn& what);

struct ExitStatus {
    int code = 0;    // as a shell says it: 128 + signal for a killed process
    int signal = 0;  // 0: it exited by itself
    bool core_dumped = false;
};
// Waits for a child of ours and reaps it. timeout_ms -1: for ever; Timeout otherwise.
Result<ExitStatus> wait_child(FdView pidfd, int timeout_ms = -1);
// pidfd_send_signal(2). NotFound if it is gone.
Result<void> send_signal(FdView pidfd, int signal);

}  // namespace pila::os
