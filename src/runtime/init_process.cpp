// SPDX-License-Identifier: Apache-2.0
// What belongs to one process rather than to the container: descriptors, limits, identity, and at last exec.
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/ioprio.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/text.h"
#include "os/capability.h"
#include "os/file.h"
#include "os/mount.h"
#include "runtime/check_internal.h"
#include "runtime/hooks_internal.h"
#include "runtime/init_internal.h"
#include "runtime/init_program_internal.h"

namespace pila::runtime::init {

Result<Fd> open_host_proc() {
    auto proc = TRY(os::open("/proc", O_PATH | O_DIRECTORY));
    if (TRY(os::filesystem_type(proc)) != PROC_SUPER_MAGIC)
        return Error(Errc::Invalid, "/proc of the host is no procfs");
    return proc;
}

static Result<void> write_below(FdView directory, const std::string& path, std::string_view text) {
    auto file = TRY(os::open_at(directory, path, O_WRONLY));
    if (::write(file.get(), text.data(), text.size()) < 0) return Error::from_errno(errno, "write " + path);
    return {};
}

Result<void> write_sysctl(FdView host_proc, const Plan& plan) {
    for (const auto& [name, value] : plan.sysctl) {
        TRY(write_below(host_proc, "sys/" + sysctl_path(name), value).in("set sysctl " + name));
    }
    return {};
}

Result<void> place_stdio(const Stdio& stdio, const ProcessPlan& process) {
    const int wanted[3] = {stdio.in, stdio.out, stdio.error};
    for (int fd = 0; fd < 3; ++fd) {
        if (wanted[fd] == fd) {
            if (::fcntl(fd, F_SETFD, 0) < 0) return Error::from_errno(errno, "place standard stream");
        } else if (::dup2(wanted[fd], fd) < 0) {
            return Error::from_errno(errno, "place standard stream");
        }
        // /dev/stdout of a user other than root can only be opened again if it owns the pipe behind it.
        struct stat info {};
        if (process.uid != 0 && ::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode) && info.st_uid != process.uid)
            ignore(::fchown(fd, process.uid, info.st_gid) < 0 ? Error::from_errno(errno, "chown") : Result<void>{},
                   "the user may be unmapped or the pipe foreign: runc does not insist either");
    }
    return {};
}

namespace {

Result<void> set_limits(const ProcessPlan& process, FdView host_proc) {
    for (const auto& limit : process.rlimits) {
        rlimit wanted{limit.soft, limit.hard};
        auto resource = static_cast<__rlimit_resource>(limit.resource);
        if (::setrlimit(resource, &wanted) == 0) continue;
        if (errno != EPERM) return Error::from_errno(errno, fmt::format("set resource limit {}", limit.resource));
        // Without CAP_SYS_RESOURCE a hard limit cannot rise: what we have is the most there is.
        rlimit own{};
        ::getrlimit(resource, &own);
        wanted.rlim_max = std::min(wanted.rlim_max, own.rlim_max);
        wanted.rlim_cur = std::min(wanted.rlim_cur, wanted.rlim_max);
        if (::setrlimit(resource, &wanted) < 0)
            return Error::from_errno(errno, fmt::format("set resource limit {}", limit.resource));
    }
    if (process.oom_score_adj) {
        auto written = write_below(host_proc, "self/oom_score_adj", std::to_string(*process.oom_score_adj));
        // Lowering it needs CAP_SYS_RESOURCE.
        if (!written && written.error().os_errno() != EACCES) return written;
    }
    return {};
}

Result<void> set_labels(const ProcessPlan& process, FdView host_proc) {
    if (!process.apparmor_profile.empty()) {
        auto text = "exec " + process.apparmor_profile;
        auto written = write_below(host_proc, "thread-self/attr/apparmor/exec", text);
        if (!written && written.error().os_errno() == ENOENT)
            written = write_below(host_proc, "thread-self/attr/exec", text);
        if (!written) return std::move(written).in("AppArmor profile " + process.apparmor_profile);
    }
    if (!process.selinux_label.empty())
        TRY(write_below(host_proc, "thread-self/attr/exec", process.selinux_label).in("SELinux label"));
    return {};
}

// The filter may stop us from now on until somebody listens: nothing but write(2) and read(2) until then.
Result<void> pass_listener(int listener, FdView channel) {
    char message[1 + sizeof listener] = {word_listener};
    std::memcpy(message + 1, &listener, sizeof listener);
    char answer = 0;
    if (::write(channel.get(), message, sizeof message) != sizeof message || ::read(channel.get(), &answer, 1) != 1 ||
        answer != word_listener)
        return Error(Errc::Unavailable, "pass the seccomp listener on: nobody took it");
    return {};
}

Result<void> install_seccomp(const ProcessPlan& process, FdView channel) {
    if (process.seccomp_bpf.empty()) return {};
    sock_fprog program{};
    program.len = static_cast<unsigned short>(process.seccomp_bpf.size() / sizeof(sock_filter));
    program.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(process.seccomp_bpf.data()));
    auto outcome = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, process.seccomp_flags, &program);
    if (outcome < 0)
        return Error::from_errno(errno, fmt::format("install the seccomp filter (flags {:#x})", process.seccomp_flags));
    return process.extras.seccomp_listener ? pass_listener(static_cast<int>(outcome), channel) : Result<void>{};
}

Result<void> become_user(const ProcessPlan& process) {
    std::vector<gid_t> groups(process.additional_gids.begin(), process.additional_gids.end());
    // In a user namespace with setgroups denied, having none is all there is.
    if (::setgroups(groups.size(), groups.data()) < 0 && !(errno == EPERM && groups.empty()))
        return Error::from_errno(errno, "set supplementary groups");
    if (::setresgid(process.gid, process.gid, process.gid) < 0)
        return Error::from_errno(errno, fmt::format("set group {}", process.gid));
    if (::prctl(PR_SET_KEEPCAPS, 1) < 0) return Error::from_errno(errno, "keep capabilities");
    if (::setresuid(process.uid, process.uid, process.uid) < 0)
        return Error::from_errno(errno, fmt::format("set user {}", process.uid));
    if (::prctl(PR_SET_KEEPCAPS, 0) < 0) return Error::from_errno(errno, "keep capabilities");
    return {};
}

// The order matters: the bounding set needs CAP_SETPCAP; a filter without no_new_privs needs CAP_SYS_ADMIN, so it comes
// before the last capset, and as late as that allows, so that it need not permit all our steps.
Result<void> become_unprivileged(const ProcessPlan& process) {
    TRY(os::limit_bounding_set(process.capabilities.bounding));
    TRY(become_user(process));
    auto own = TRY(os::capabilities());
    os::CapabilitySets last{process.capabilities.effective & own.permitted,
                            process.capabilities.permitted & own.permitted,
                            process.capabilities.inheritable & own.permitted};
    last.effective &= last.permitted;
    // Everything still permitted, now with the final inheritable set, to raise the ambient set and install the filter.
    TRY(os::set_capabilities({own.permitted, own.permitted, last.inheritable}));
    TRY(os::set_ambient(process.capabilities.ambient & last.permitted & last.inheritable));
    if (process.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return Error::from_errno(errno, "set no_new_privs");
    return {};
}

Result<void> finish_capabilities(const ProcessPlan& process) {
    auto own = TRY(os::capabilities());
    os::CapabilitySets last{process.capabilities.effective, process.capabilities.permitted,
                            process.capabilities.inheritable};
    last.permitted &= own.permitted;
    last.effective &= last.permitted;
    last.inheritable &= own.inheritable;
    return os::set_capabilities(last);
}

Result<void> enter_directory(const std::string& path) {
    if (::chdir(path.c_str()) < 0)
        return Error::from_errno(errno, fmt::format("chdir to cwd (\"{}\")", printable(path)));
    // CVE-2024-21626: a directory outside of the container, reached through a leaked descriptor, has no path here.
    char where[PATH_MAX];
    if (!::getcwd(where, sizeof where) || where[0] != '/')
        return Error(Errc::Denied, fmt::format("chdir to cwd (\"{}\"): outside of the container", printable(path)));
    return {};
}

// The shim's stdin of nobody is the host's /dev/null: whoever holds it may change the mode of the host's file.
Result<void> use_own_null() {
    auto is_null = [](int fd) {
        struct stat info {};
        return ::fstat(fd, &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == makedev(1, 3);
    };
    Fd own;
    for (int fd = 0; fd < 3; ++fd) {
        if (!is_null(fd)) continue;
        if (!own) {
            own = Fd(::open("/dev/null", O_RDWR | O_CLOEXEC | O_NOFOLLOW));
            if (!own && errno == ENOENT) return {};  // a bundle without /dev
            if (!own) return Error::from_errno(errno, "open /dev/null of the container");
            if (!is_null(own.get())) return Error(Errc::Invalid, "/dev/null of the container is not the null device");
        }
        if (::dup2(own.get(), fd) < 0) return Error::from_errno(errno, "use /dev/null of the container");
    }
    return {};
}

Result<void> set_scheduler(const SchedulerPlan& plan) {
    struct {  // struct sched_attr, which glibc 2.36 does not have
        std::uint32_t size, policy;
        std::uint64_t flags;
        std::int32_t nice;
        std::uint32_t priority;
        std::uint64_t runtime, deadline, period;
    } attributes{48, plan.policy, plan.flags, plan.nice, plan.priority, plan.runtime, plan.deadline, plan.period};
    if (::syscall(SYS_sched_setattr, 0, &attributes, 0) < 0) return Error::from_errno(errno, "process.scheduler");
    return {};
}

Result<void> set_extras(const ProcessExtras& extras) {
    if (!extras.keyring.empty() &&
        ::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, extras.keyring.c_str(), 0, 0, 0) < 0 && errno != ENOSYS)
        return Error::from_errno(errno, "new session keyring (--no-new-keyring keeps the caller's)");
    if (extras.scheduler) TRY(set_scheduler(*extras.scheduler));
    if (extras.io_priority && ::syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, *extras.io_priority) < 0)
        return Error::from_errno(errno, "process.ioPriority");
    if (extras.personality && ::personality(*extras.personality) < 0)
        return Error::from_errno(errno, "linux.personality");
    return {};
}

// Of `create`: waits for `start`. Then the hooks that come last.
Result<void> be_started(Finish& finish) {
    if (!finish.container) return {};
    const auto& hooks = finish.container->bundle.hooks.start_container;
    std::string state;
    if (!hooks.empty()) state = state_text(*finish.container, "created", pid_on_host(finish.host_proc));
    if (finish.start_socket >= 0) {
        finish.connection = wait_for_start(finish.channel, finish.start_socket, finish.process.extras.preserved_fds);
        finish.channel = finish.connection;
    }
    return run_hooks(hooks, "startContainer", state);
}

void default_signals() {
    for (int signal = 1; signal < NSIG; ++signal) {
        struct sigaction current {};
        if (::sigaction(signal, nullptr, &current) < 0 || current.sa_handler == SIG_DFL) continue;
        current = {};
        ::sigaction(signal, &current, nullptr);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace

Error become(Finish& finish) {
    const ProcessPlan& process = finish.process;
    auto prepare = [&]() -> Result<void> {
        if (!finish.limits_by_parent) TRY(set_limits(process, finish.host_proc));
        TRY(set_extras(process.extras));
        TRY(set_labels(process, finish.host_proc));
        if (::syscall(SYS_close_range, 3 + process.extras.preserved_fds, UINT_MAX, CLOSE_RANGE_CLOEXEC) < 0)
            return Error::from_errno(errno, "mark descriptors close-on-exec");
        TRY(use_own_null());
        TRY(become_unprivileged(process));
        ::umask(process.umask.value_or(022));
        TRY(enter_directory(process.working_directory));
        return {};
    };
    if (auto prepared = prepare(); !prepared) return prepared.take_error();
    // The parent-death signal is forgotten whenever the user changes, so it comes after that.
    if (finish.die_with_parent && ::prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return Error::from_errno(errno, "set parent-death signal");
    auto environment = environment_with_home(process);
    auto program = find_program(process);
    if (!program) return program.take_error();
    PILA_CRASHPOINT("init.before-go");
    // Also notices a parent that ended before the parent-death signal was set.
    char word = 0;
    if (::read(finish.channel.get(), &word, 1) != 1 || word != word_go) ::_exit(1);
    if (auto ready = be_started(finish); !ready) return ready.take_error();
    PILA_CRASHPOINT("init.before-exec");
    // From the last capset on we have no more rights than who is in the container already, and must not be his to trace
    // or read: CVE-2016-9962. exec(2) takes it back.
    // Who takes a listener out of us without root has to be able to.
    if (!process.extras.seccomp_listener && ::prctl(PR_SET_DUMPABLE, 0) < 0)
        return Error::from_errno(errno, "hide from tracers");
    default_signals();
    // With no_new_privs the filter may come after the last capset; without it, it needs CAP_SYS_ADMIN.
    auto first = process.no_new_privileges ? finish_capabilities(process) : install_seccomp(process, finish.channel);
    if (!first) return first.take_error();
    auto second = process.no_new_privileges ? install_seccomp(process, finish.channel) : finish_capabilities(process);
    if (!second) return second.take_error();
    return execute(process, *program, environment, finish.self_exe);
}

}  // namespace pila::runtime::init
