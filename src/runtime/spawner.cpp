// SPDX-License-Identifier: Apache-2.0
// `pila-runtime shim`, as the daemon starts it: one process that makes shims by fork. What every shim needs and none
// may change is ready before: the program loaded and initialised, the layout of the control groups, its place outside
// of the daemon's. A shim by fork and exec costs 0.8 ms of processor time more.
#include <fcntl.h>
#include <linux/sched.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstring>

#include "base/text.h"
#include "os/cgroup.h"
#include "os/file.h"
#include "os/socket.h"
#include "runtime/shim_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

namespace {

constexpr int asking_fd = 3;

// What ps shows: the command line lies in the process's own memory and may be written over, not grown.
class CommandLine {
public:
    CommandLine(int argc, char** argv)
        : begin_(argv[0]), size_(static_cast<std::size_t>(argv[argc - 1] - argv[0]) + std::strlen(argv[argc - 1])) {}
    void show(const std::string& words) {
        std::memset(begin_, 0, size_);
        std::memcpy(begin_, words.data(), std::min(words.size(), size_));
    }

private:
    char* begin_;
    std::size_t size_;
};

// The daemon's child, not ours: it waits for its shims itself.
pid_t clone_sibling(Fd& pidfd) {
    int descriptor = -1;
    clone_args args{};
    args.flags = CLONE_PARENT | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uint64_t>(&descriptor);
    auto pid = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
    if (pid > 0) pidfd = Fd(descriptor);
    return pid;
}

void answer(FdView asking, const Result<void>& outcome, FdView pidfd = FdView(-1)) {
    auto report = outcome ? Report{} : failure(0, outcome.error());
    ignore(send_parcel(asking, encode(report), outcome ? std::vector<int>{pidfd.get()} : std::vector<int>{}),
           "the daemon has ended: noticed next");
}

Result<ShimSurroundings> prepare() {
    // Large buffers go straight back to the kernel: an idle shim is to be small whatever it has moved before.
    ::mallopt(M_MMAP_THRESHOLD, 64 << 10);
    ::mallopt(M_TRIM_THRESHOLD, 64 << 10);
    ::signal(SIGPIPE, SIG_IGN);
    // What ends other processes at shutdown must not end the one that records how a container ended.
    for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) ::signal(signal, SIG_IGN);
    ShimSurroundings surroundings;
    surroundings.self_exe = TRY(os::open("/proc/self/exe", O_PATH));
    surroundings.layout = TRY(os::probe_cgroup_layout());
    // v2: born outside of the daemon's group already (SpawnerClient), since a move costs 11 ms there.
    if (surroundings.layout.mode == os::CgroupMode::V1)
        ignore(os::leave_cgroups(surroundings.layout), "stays with the daemon then: no delegation, or not root");
    return surroundings;
}

}  // namespace

int spawner_main(int argc, char** argv) {
    CommandLine command_line(argc, argv);
    command_line.show(std::string("pila-runtime\0spawner", 20));
    ::prctl(PR_SET_NAME, "pila-spawner");
    Fd asking(asking_fd);
    auto surroundings = prepare();
    for (;;) {
        auto message = os::receive_message(asking);
        if (!message) return 0;  // the daemon has ended
        if (message->fds.size() != 1) return 1;
        Fd control = std::move(message->fds[0]), pidfd;
        if (!surroundings) {
            answer(asking, surroundings.error());
            continue;
        }
        auto pid = clone_sibling(pidfd);
        if (pid == 0) {
            asking.reset();
            ::setsid();
            ::prctl(PR_SET_NAME, "pila-shim");
            command_line.show(std::string("pila-runtime\0shim", 17));
            surroundings->show_name = [command_line](const std::string& id) mutable {
                command_line.show(std::string("pila-runtime\0shim\0", 18) + id);
            };
            return shim_main(std::move(control), surroundings.take());
        }
        answer(asking, pid < 0 ? Result<void>(Error::from_errno(errno, "clone a shim")) : Result<void>(), pidfd);
    }
}

}  // namespace pila::runtime
