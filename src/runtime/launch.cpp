// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/core.h>

#include "os/file.h"
#include "os/socket.h"
#include "os/spawn.h"
#include "runtime/check_internal.h"
#include "runtime/init_internal.h"
#include "runtime/launch_parts_internal.h"

namespace pila::runtime {

namespace {

// Puts this process into namespaces for the length of one clone; its children are born there.
class Borrowed {
public:
    Borrowed() = default;
    Borrowed(Borrowed&&) = default;
    ~Borrowed() {
        for (const auto& [fd, flag] : own_)
            if (::setns(fd.get(), flag) < 0) ::abort();  // a shim that cannot come back must not go on
    }
    Result<void> enter(FdView target, const char* name, int flag) {
        Fd own = TRY(os::open(std::string("/proc/self/ns/") + name, O_RDONLY));
        if (::setns(target.get(), flag) < 0) return Error::from_errno(errno, fmt::format("join {} namespace", name));
        own_.emplace_back(std::move(own), flag);
        return {};
    }

private:
    std::vector<std::pair<Fd, int>> own_;
};

struct Kind {
    Namespace type;
    const char* name;
    int flag;
    bool at_clone;  // made by clone3 rather than later by the child
};
constexpr Kind kinds[] = {
    {Namespace::Mount, "mnt", CLONE_NEWNS, true},     {Namespace::Pid, "pid", CLONE_NEWPID, true},
    {Namespace::Uts, "uts", CLONE_NEWUTS, true},      {Namespace::Ipc, "ipc", CLONE_NEWIPC, true},
    {Namespace::Network, "net", CLONE_NEWNET, false}, {Namespace::Cgroup, "cgroup", CLONE_NEWCGROUP, false},
    {Namespace::User, "user", CLONE_NEWUSER, true},   {Namespace::Time, "time", CLONE_NEWTIME, true}};

Result<Borrowed> borrow_namespaces(const LaunchInput& input) {
    Borrowed borrowed;
    bool user_joined =
        init::has_namespace(input.plan, Namespace::User) && !init::makes_namespace(input.plan, Namespace::User);
    for (const auto& entry : input.plan.namespaces) {
        if (entry.path.empty() && entry.received_fd < 0) continue;
        const auto& kind =
            *std::find_if(std::begin(kinds), std::end(kinds), [&](auto& k) { return k.type == entry.type; });
        bool child_does_it = entry.type == Namespace::Mount || entry.type == Namespace::Cgroup ||
                             entry.type == Namespace::User ||  // by clone_within
                             (user_joined && entry.type != Namespace::Pid && entry.type != Namespace::Time);
        if (child_does_it) continue;
        if (entry.received_fd >= 0) {
            TRY(borrowed.enter(input.fds[entry.received_fd], kind.name, kind.flag));
        } else {
            auto target = TRY(os::open(entry.path, O_RDONLY));
            TRY(borrowed.enter(target, kind.name, kind.flag).in(entry.path));
        }
    }
    return borrowed;
}

std::uint64_t flags_at_clone(const Plan& plan) {
    std::uint64_t flags = 0;
    for (const auto& kind : kinds)
        if (kind.at_clone && init::makes_namespace(plan, kind.type)) flags |= static_cast<unsigned>(kind.flag);
    if (!plan.bundle.time_offsets.empty()) flags &= ~std::uint64_t{CLONE_NEWTIME};  // make_time_namespace
    return flags;
}

// None: it is new, or there is none.
Result<Fd> joined_user_namespace(const LaunchInput& input) {
    for (const auto& entry : input.plan.namespaces) {
        if (entry.type != Namespace::User) continue;
        if (entry.received_fd >= 0) return input.fds[static_cast<std::size_t>(entry.received_fd)].duplicate();
        if (!entry.path.empty()) return os::open(entry.path, O_RDONLY);
    }
    return Fd();
}

Result<void> make_cgroup(const LaunchInput& input) {
    if (!input.cgroup.valid()) return {};
    if (!input.cgroup_made) TRY(input.cgroup.create());
    return apply_resources(input.cgroup, input.plan.resources);
}

}  // namespace

Launch::~Launch() {
    if (!running_ || !pidfd_) return;
    ignore(os::send_signal(pidfd_, SIGKILL), "it may have ended");
    ignore(os::wait_child(pidfd_), "only reaps");
}

Result<void> Launch::say(char word, const std::vector<int>& fds) {
    auto said = os::send_message(channel_, std::string_view(&word, 1), fds);
    // A child that failed has closed its end; what it reported is read in finish().
    if (!said && (said.error().os_errno() == EPIPE || said.error().os_errno() == ECONNRESET)) return {};
    return said;
}

Result<Launch> Launch::container(const LaunchInput& input) {
    const Plan& plan = input.plan;
    TRY(check_plan(plan, input.fds.size()));
    auto [ours, theirs] = TRY(os::message_socket_pair());
    bool born_inside = input.cgroup.mode() == os::CgroupMode::V2 && !input.make_group;
    auto bind_sources = TRY(open_bind_sources(input));
    Fd group;
    if (born_inside) {
        TRY(make_cgroup(input));
        group = TRY(input.cgroup.directory_fd());
    }
    Launch launch;
    int pidfd = -1;
    {
        auto user_namespace = TRY(joined_user_namespace(input));
        auto borrowed = TRY(borrow_namespaces(input));
        launch.pid_ = user_namespace
                          ? TRY(clone_within(user_namespace, CLONE_NEWUSER, flags_at_clone(plan), group, pidfd))
                          : clone_process(flags_at_clone(plan), group, pidfd);
        if (launch.pid_ < 0) return Error::from_errno(errno, "clone the container's first process");
        if (launch.pid_ == 0) {
            ours.reset();
            init::Setup setup{
                .plan = plan, .fds = input.fds, .stdio = input.stdio, .layout = input.layout, .cgroup = input.cgroup};
            setup.channel = std::move(theirs);
            setup.self_exe = input.self_exe;
            setup.die_with_parent = input.die_with_parent;
            setup.start_socket = input.start_socket;
            setup.new_user_namespace = init::makes_namespace(plan, Namespace::User);
            setup.in_user_namespace = init::has_namespace(plan, Namespace::User);
            setup.bind_sources = std::move(bind_sources);
            setup.limits_by_parent = sets_limits(plan);
            init::run(setup);
        }
    }
    launch.pidfd_ = Fd(pidfd);
    launch.running_ = true;
    launch.channel_ = std::move(ours);
    theirs.reset();
    bind_sources.clear();
    set_with_our_rights(plan, plan.process, input.stdio, launch.pid_);
    if (init::makes_namespace(plan, Namespace::User)) {
        TRY(write_maps(plan, launch.pid_).in("map users"));
        TRY(launch.say(init::word_mapped));
    }
    if (!input.cgroup.valid()) return launch;
    std::vector<int> entrances;
    std::vector<Fd> opened;
    if (!born_inside) {
        if (input.make_group) TRY(input.make_group(launch.pid_));
        TRY(make_cgroup(input));
        if (input.cgroup.mode() == os::CgroupMode::V1) opened = TRY(input.cgroup.entrances());
        for (const auto& entrance : opened) entrances.push_back(entrance.get());
    }
    TRY(launch.say(init::word_join, entrances));
    return launch;
}

namespace {

// Without root: only from within its user namespace is there a right to enter the others.
bool enters_user_namespace_first(const Plan& container) {
    return ::geteuid() != 0 && init::has_namespace(container, Namespace::User);
}

Result<void> set_affinity(const std::vector<std::uint64_t>& cpus, const char* which) {
    if (cpus.empty()) return {};
    if (::syscall(SYS_sched_setaffinity, 0, cpus.size() * sizeof cpus[0], cpus.data()) < 0)
        return Error::from_errno(errno, fmt::format("process.execCPUAffinity.{}", which));
    return {};
}

// What was true before the clone: inside of a user namespace everybody looks like root.
struct Before {
    bool user_namespace = false;  // entered on the way
    bool limits_by_parent = false;
};

// None: the container's mount namespace has it.
Result<Fd> open_changed_root(const ExecInput& input) {
    if (init::has_namespace(input.container, Namespace::Mount)) return Fd();
    auto root = TRY(os::open(fmt::format("/proc/{}/root", input.init_pid), O_PATH | O_DIRECTORY));
    TRY(os::send_signal(input.init_pidfd, 0).in("the container's first process"));  // else that was another's
    return root;
}

Result<void> enter_container(const ExecInput& input, FdView channel, const Before& first, Fd& host_proc) {
    host_proc = TRY(init::open_host_proc());
    TRY(set_affinity(input.process.extras.initial_cpus, "initial"));
    if (input.cgroup.mode() == os::CgroupMode::V1) {
        auto entrances = TRY(input.cgroup.entrances());
        TRY(os::enter_cgroups(entrances));
        for (const auto& group : input.moves) {
            auto others = TRY(group.entrances());
            TRY(os::enter_cgroups(others));
        }
    }
    TRY(set_affinity(input.process.extras.final_cpus, "final"));
    auto root_of_init = TRY(open_changed_root(input));
    int flags = 0;
    for (const auto& kind : kinds)
        if (kind.type != Namespace::Pid && init::has_namespace(input.container, kind.type)) flags |= kind.flag;
    if (first.user_namespace) {
        TRY(init::become_mapped_root());
        flags &= ~CLONE_NEWUSER;
    }
    if (flags != 0 && ::setns(input.init_pidfd.get(), flags) < 0)
        return Error::from_errno(errno, "enter the container's namespaces");
    if ((flags & CLONE_NEWUSER) != 0) TRY(init::become_mapped_root());
    if (root_of_init && (::fchdir(root_of_init.get()) < 0 || ::chroot(".") < 0))
        return Error::from_errno(errno, "enter the container's root directory");
    ::setsid();
    auto root = TRY(os::open("/", O_PATH | O_DIRECTORY));
    if (input.process.terminal) return init::open_terminal(root, channel, input.process, false);
    return init::place_stdio(input.stdio, input.process);
}

[[noreturn]] void run_exec(const ExecInput& input, FdView channel, const Before& first) {
    Fd host_proc;
    auto entered = enter_container(input, channel, first, host_proc);
    if (!entered) init::report_and_exit(channel, entered.error());
    init::Finish finish{.process = input.process,
                        .channel = channel,
                        .host_proc = host_proc,
                        .die_with_parent = input.die_with_parent,
                        .limits_by_parent = first.limits_by_parent};
    auto failed = init::become(finish);
    init::report_and_exit(finish.channel, failed);
}

}  // namespace

Result<Launch> Launch::exec(const ExecInput& input) {
    auto [ours, theirs] = TRY(os::message_socket_pair());
    Fd group;
    if (input.cgroup.mode() == os::CgroupMode::V2) group = TRY(input.cgroup.directory_fd());
    Launch launch;
    int pidfd = -1;
    {
        Borrowed borrowed;
        bool pids = init::has_namespace(input.container, Namespace::Pid);
        Before first{enters_user_namespace_first(input.container), sets_limits(input.container)};
        if (first.user_namespace) {
            launch.pid_ =
                TRY(clone_within(input.init_pidfd, CLONE_NEWUSER | (pids ? CLONE_NEWPID : 0), 0, group, pidfd));
        } else {
            if (pids) TRY(borrowed.enter(input.init_pidfd, "pid", CLONE_NEWPID));
            launch.pid_ = clone_process(0, group, pidfd);
        }
        if (launch.pid_ < 0) return Error::from_errno(errno, "clone a process for exec");
        if (launch.pid_ == 0) {
            ours.reset();
            run_exec(input, theirs, first);
        }
    }
    set_with_our_rights(input.container, input.process, input.stdio, launch.pid_);
    launch.pidfd_ = Fd(pidfd);
    launch.running_ = true;
    launch.channel_ = std::move(ours);
    return launch;
}

Launch Launch::of_created(pid_t pid, Fd pidfd, Fd connection) {
    Launch launch;
    launch.pid_ = pid;
    launch.pidfd_ = std::move(pidfd);
    launch.channel_ = std::move(connection);
    return launch;
}

// What the child wants to be done before it goes on; true: it wants nothing any more.
Result<bool> Launch::answer(const std::string& bytes) {
    if (bytes[0] == init::word_created) {
        channel_.reset();
        running_ = false;
        return true;
    }
    if (bytes[0] == init::word_hooks && hooks_) {
        TRY(hooks_());
        TRY(say(init::word_hooks));
        TRY(begin());
    } else if (bytes[0] == init::word_listener && bytes.size() == 1 + sizeof(int) && pass_listener_) {
        int number = -1;
        std::memcpy(&number, bytes.data() + 1, sizeof number);
        Fd listener(static_cast<int>(::syscall(SYS_pidfd_getfd, pidfd_.get(), number, 0)));
        if (!listener) return Error::from_errno(errno, "take the seccomp listener");
        TRY(pass_listener_(std::move(listener)));
        TRY(say(init::word_listener));
    }
    return false;
}

Result<void> Launch::begin() { return say(init::word_go); }

Result<bool> Launch::step() {
    auto message = os::receive_message(channel_, 0);
    if (!message) {
        // A child that failed before it read all we said: one ECONNRESET comes ahead of its report.
        if (message.error().code() == Errc::Timeout) return false;
        if (message.error().os_errno() == ECONNRESET && !std::exchange(reset_seen_, true)) return false;
        channel_.reset();
        running_ = false;
        return true;
    }
    const auto& bytes = message->bytes;
    if (bytes[0] == init::word_terminal && message->fds.size() == 1) {
        terminal_ = std::move(message->fds[0]);
    } else if (bytes[0] == init::word_failed && bytes.size() >= 6) {
        std::int32_t reason = 0;
        std::memcpy(&reason, bytes.data() + 2, sizeof reason);
        return Error(static_cast<Errc>(bytes[1]), bytes.substr(6), reason);
    } else {
        return answer(bytes);
    }
    return false;
}

Result<void> Launch::finish(int cancel) {
    if (!hooks_) TRY(begin());
    for (;;) {
        pollfd waiting[2] = {{channel_.get(), POLLIN, 0}, {cancel, POLLIN, 0}};
        if (::poll(waiting, 2, -1) < 0 && errno != EINTR)
            return Error::from_errno(errno, "wait for the program to start");
        if (waiting[0].revents == 0 && waiting[1].revents != 0)
            return Error(Errc::Unavailable, "start of the program: given up by the caller");
        if (waiting[0].revents != 0 && TRY(step())) return {};
    }
}

}  // namespace pila::runtime
