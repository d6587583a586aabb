// SPDX-License-Identifier: Apache-2.0
#include "os/spawn.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sanitizer/asan_interface.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>

#include <fmt/core.h>

namespace pila::os {

namespace {

// Everything the child needs, prepared before it exists: it shares our memory and must not allocate or lock.
struct ChildPlan {
    const Spawn* what;
    std::vector<char*> argv;
    std::vector<char*> environment;
    std::vector<SpawnedFd> fds;
    sigset_t no_signals;
    int highest = 2;
    volatile int failed_errno = 0;
    const char* volatile failed_call = nullptr;
};

[[noreturn]] void fail(ChildPlan& plan, const char* call) {
    plan.failed_errno = errno;
    plan.failed_call = call;
    ::_exit(127);
}

void arrange_descriptors(ChildPlan& plan, int& exe_fd) {
    // Plain system calls: the thread sanitizer would take this table of descriptors for the parent's.
    // Move every source out of the way first: a target may be another entry's source.
    int spare = plan.highest + 1;
    for (auto& entry : plan.fds) {
        entry.from = ::fcntl(entry.from, F_DUPFD_CLOEXEC, spare);
        if (entry.from < 0) fail(plan, "duplicate descriptor");
    }
    if (exe_fd >= 0) {
        exe_fd = ::fcntl(exe_fd, F_DUPFD_CLOEXEC, spare);
        if (exe_fd < 0) fail(plan, "duplicate descriptor of the program");
    }
    for (int fd = 0; fd <= plan.highest; ++fd) {
        auto wanted = std::find_if(plan.fds.begin(), plan.fds.end(), [&](auto& entry) { return entry.to == fd; });
        if (wanted == plan.fds.end())
            ::syscall(SYS_close, fd);
        else if (::syscall(SYS_dup3, wanted->from, fd, 0) < 0)
            fail(plan, "place descriptor");
    }
    // The rest goes at exec; marking is cheaper than closing and keeps exe_fd usable.
    ::syscall(SYS_close_range, plan.highest + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
}

[[noreturn]] void run_child(ChildPlan& plan) {
    const Spawn& what = *plan.what;
    for (int signal = 1; signal < NSIG; ++signal) {
        struct sigaction current {};
        if (::sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_IGN) {
            current.sa_handler = SIG_DFL;
            ::sigaction(signal, &current, nullptr);
        }
    }
    if (what.new_session) ::setsid();
    if (what.die_with_parent && ::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) fail(plan, "set parent-death signal");
    int exe_fd = what.exe_fd.get();
    arrange_descriptors(plan, exe_fd);
    ::sigprocmask(SIG_SETMASK, &plan.no_signals, nullptr);
    if (exe_fd >= 0)
        ::syscall(SYS_execveat, exe_fd, "", plan.argv.data(), plan.environment.data(), AT_EMPTY_PATH);
    else
        ::execve(what.exe.c_str(), plan.argv.data(), plan.environment.data());
    fail(plan, "execute");
}

constexpr std::size_t child_stack_bytes = 64U << 10;

int child_entry(void* plan) { run_child(*static_cast<ChildPlan*>(plan)); }

// clone3(2) into a function on another stack, which glibc offers for clone(2) only; clone(2) knows no
// CLONE_INTO_CGROUP. -1 with errno as always.
pid_t clone3_call([[maybe_unused]] clone_args& args, [[maybe_unused]] int (*entry)(void*),
                  [[maybe_unused]] void* argument) {
#if defined(__x86_64__)
    register int (*function)(void*) __asm__("r12") = entry;
    register void* its_argument __asm__("r13") = argument;
    long result;
    // The kernel keeps all registers but rax, rcx and r11, so the child finds both in place on its new stack.
    __asm__ volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"
        "mov %%r13, %%rdi\n\t"
        "call *%%r12\n\t"
        "hlt\n\t"
        "1:\n\t"
        : "=a"(result)
        : "a"(SYS_clone3), "D"(&args), "S"(sizeof args), "r"(function), "r"(its_argument)
        : "rcx", "r11", "memory");
    if (result >= 0) return static_cast<pid_t>(result);
    errno = static_cast<int>(-result);
#else
    errno = ENOSYS;
#endif
    return -1;
}

pid_t clone_into_cgroup(ChildPlan& plan, void* stack, int* pidfd) {
    clone_args args{};
    args.flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_INTO_CGROUP;
    args.pidfd = reinterpret_cast<std::uint64_t>(pidfd);
    args.exit_signal = SIGCHLD;
    args.stack = reinterpret_cast<std::uint64_t>(stack);
    args.stack_size = child_stack_bytes;
    args.cgroup = static_cast<std::uint64_t>(plan.what->cgroup.get());
    return clone3_call(args, child_entry, &plan);
}

// The thread sanitizer takes clone(2) for a fork and, the memory being shared, stops watching the parent's locks.
#if defined(__SANITIZE_THREAD__)
extern "C" int __clone(int (*)(void*), void*, int, void*, ...);
#define PILA_CLONE __clone
#else
#define PILA_CLONE ::clone
#endif

// A stack of its own, as glibc's posix_spawn does it; the caller is suspended until exec or exit.
pid_t clone_like_vfork(ChildPlan& plan, int* pidfd) {
    void* stack =
        ::mmap(nullptr, child_stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return -1;
    // An earlier child left its frames by exec: what the address sanitizer noted about them is not true of this one.
    ASAN_UNPOISON_MEMORY_REGION(stack, child_stack_bytes);
    int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
    pid_t pid = plan.what->cgroup.get() >= 0 ? clone_into_cgroup(plan, stack, pidfd) : -1;
    if (pid < 0) pid = PILA_CLONE(child_entry, static_cast<char*>(stack) + child_stack_bytes, flags, &plan, pidfd);
    int saved = errno;
    ::munmap(stack, child_stack_bytes);
    errno = saved;
    return pid;
}

// What a test build's processes hand on to those they start, whose environment is otherwise as described.
void add_test_environment(std::vector<char*>& environment) {
#if defined(PILA_WITH_FAILPOINTS) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    for (char** entry = environ; *entry; ++entry)
        for (std::string_view name : {"PILA_FAILPOINTS=", "ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS="})
            if (std::string_view(*entry).starts_with(name)) environment.push_back(*entry);
#else
    static_cast<void>(environment);
#endif
}

}  // namespace

Result<Child> spawn(const Spawn& what) {
    ChildPlan plan;
    plan.what = &what;
    for (const auto& text : what.argv) plan.argv.push_back(const_cast<char*>(text.c_str()));
    for (const auto& text : what.environment) plan.environment.push_back(const_cast<char*>(text.c_str()));
    add_test_environment(plan.environment);
    plan.argv.push_back(nullptr);
    plan.environment.push_back(nullptr);
    plan.fds = what.fds;
    for (const auto& entry : what.fds) plan.highest = std::max(plan.highest, entry.to);
    ::sigemptyset(&plan.no_signals);

    // No signal handler of ours may run in the child while it shares our memory.
    sigset_t all, before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    int pidfd = -1;
    pid_t pid = clone_like_vfork(plan, &pidfd);
    int clone_errno = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (pid < 0) return Error::from_errno(clone_errno, "start " + what.exe);

    Child child{pid, Fd(pidfd)};
    if (plan.failed_call) {
        ignore(wait_child(child.pidfd), "only reaps");
        return Error::from_errno(plan.failed_errno, fmt::format("{} {}", plan.failed_call, what.exe));
    }
    return child;
}

Result<ExitStatus> wait_child(FdView pidfd, int timeout_ms) {
    if (timeout_ms >= 0) {
        pollfd waiting{pidfd.get(), POLLIN, 0};
        int ready;
        while ((ready = ::poll(&waiting, 1, timeout_ms)) < 0)
            if (errno != EINTR) return Error::from_errno(errno, "wait for process");
        if (ready == 0) return Error(Errc::Timeout, fmt::format("process still running after {} ms", timeout_ms));
    }
    siginfo_t info{};
    while (::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(pidfd.get()), &info, WEXITED) < 0)
        if (errno != EINTR) return Error::from_errno(errno, "wait for process");
    if (info.si_code == CLD_EXITED) return ExitStatus{info.si_status, 0, false};
    return ExitStatus{128 + info.si_status, info.si_status, info.si_code == CLD_DUMPED};
}

Result<void> send_signal(FdView pidfd, int signal) {
    if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) < 0)
        return Error::from_errno(errno, fmt::format("send signal {}", signal));
    return {};
}

}  // namespace pila::os
