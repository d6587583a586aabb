// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch_parts_internal.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <csignal>
#include <cstdlib>

#include <fmt/core.h>

#include "os/file.h"

namespace pila::runtime {

pid_t clone_process(std::uint64_t flags, const Fd& cgroup, int& pidfd) {
    clone_args args{};
    args.flags = flags | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    args.exit_signal = (flags & CLONE_PARENT) != 0 ? 0 : SIGCHLD;
    if (cgroup) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = static_cast<std::uint64_t>(cgroup.get());
    }
    return static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
}

// The process's number as this process knows it, whatever the one that cloned it does.
static pid_t pid_behind(int pidfd) {
    auto text = os::read_file(fmt::format("/proc/self/fdinfo/{}", pidfd), 4096);
    auto at = text ? text->find("\nPid:") : std::string::npos;
    return at == std::string::npos ? -1 : static_cast<pid_t>(std::atoi(text->c_str() + at + 5));
}

Result<pid_t> clone_within(FdView space, int entered, std::uint64_t flags, const Fd& cgroup, int& pidfd) {
    struct Told {
        int pidfd, error;
    };
    auto* told =
        static_cast<Told*>(::mmap(nullptr, sizeof(Told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    if (told == MAP_FAILED) return Error::from_errno(errno, "map a page");
    *told = {-1, EPIPE};
    clone_args args{};
    args.flags = CLONE_FILES | CLONE_VFORK;
    args.exit_signal = SIGCHLD;
    auto between = static_cast<pid_t>(::syscall(SYS_clone3, &args, sizeof args));
    if (between == 0) {
        pid_t child = ::setns(space.get(), entered) < 0 ? -1 : clone_process(flags | CLONE_PARENT, cgroup, told->pidfd);
        if (child == 0) return 0;
        told->error = child < 0 ? errno : 0;
        ::_exit(0);
    }
    int error = between < 0 ? errno : 0;
    if (between > 0) {
        while (::waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
        }
        error = told->error;
        pidfd = told->pidfd;
    }
    ::munmap(told, sizeof(Told));
    if (error) return Error::from_errno(error, "clone into a user namespace");
    return pid_behind(pidfd);
}

}  // namespace pila::runtime
