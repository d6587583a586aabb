// SPDX-License-Identifier: Apache-2.0
#include "runtime/init_internal.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/text.h"
#include "os/file.h"
#include "os/socket.h"

namespace pila::runtime::init {

bool has_namespace(const Plan& plan, Namespace type) {
    return std::any_of(plan.namespaces.begin(), plan.namespaces.end(),
                       [&](const auto& entry) { return entry.type == type; });
}

bool makes_namespace(const Plan& plan, Namespace type) {
    return std::any_of(plan.namespaces.begin(), plan.namespaces.end(), [&](const auto& entry) {
        return entry.type == type && entry.path.empty() && entry.received_fd < 0;
    });
}

bool has_parent_hooks(const Plan& plan) {
    return !plan.bundle.hooks.prestart.empty() || !plan.bundle.hooks.create_runtime.empty();
}

Result<void> expect(Setup& setup, char word, std::vector<Fd>* fds) {
    auto message = os::receive_message(setup.channel);
    // Nobody left to report to, or a parent that gave up.
    if (!message || message->bytes.size() != 1 || message->bytes[0] != word) ::_exit(1);
    if (fds) *fds = std::move(message->fds);
    return {};
}

void report_and_exit(FdView channel, const Error& error) {
    std::string report(1, word_failed);
    report += static_cast<char>(error.code());
    std::int32_t reason = error.os_errno();
    report.append(reinterpret_cast<const char*>(&reason), sizeof reason);
    report += error.message().substr(0, 16U << 10);
    ignore(os::send_message(channel, report), "the parent may have gone");
    ::_exit(1);
}

Result<void> become_mapped_root() {
    ::setgroups(0, nullptr);  // denied when the caller is unprivileged; then there are none to drop
    if (::setresgid(0, 0, 0) < 0 || ::setresuid(0, 0, 0) < 0)
        return Error::from_errno(errno, "become root of the user namespace");
    // Changing the user made /proc/self the host root's, out of our reach.
    if (::prctl(PR_SET_DUMPABLE, 1) < 0) return Error::from_errno(errno, "set dumpable");
    return {};
}

namespace {

int clone_flag(Namespace type) {
    switch (type) {
        case Namespace::Mount: return CLONE_NEWNS;
        case Namespace::Pid: return CLONE_NEWPID;
        case Namespace::Uts: return CLONE_NEWUTS;
        case Namespace::Ipc: return CLONE_NEWIPC;
        case Namespace::Network: return CLONE_NEWNET;
        case Namespace::Cgroup: return CLONE_NEWCGROUP;
        case Namespace::User: return CLONE_NEWUSER;
        case Namespace::Time: return 0x00000080;  // CLONE_NEWTIME
    }
    return 0;
}

// What the parent could not join for us: everything that a joined user namespace owns, and mounts.
Result<void> join_namespaces(const Setup& setup, bool after_cgroups) {
    bool user_joined = setup.in_user_namespace && !setup.new_user_namespace;
    auto join = [&](const NamespacePlan& entry) -> Result<void> {
        Fd opened;
        int fd = entry.received_fd >= 0 ? setup.fds[entry.received_fd].get() : -1;
        if (fd < 0) {
            opened = TRY(os::open(entry.path, O_RDONLY));
            fd = opened.get();
        }
        if (::setns(fd, clone_flag(entry.type)) < 0) return Error::from_errno(errno, "join namespace " + entry.path);
        return {};
    };
    auto mine = [&](Namespace type) {
        if (type == Namespace::User) return false;                            // we were born there
        if (type == Namespace::Pid || type == Namespace::Time) return false;  // of children only: the parent's work
        if (after_cgroups) return type == Namespace::Cgroup;
        if (type == Namespace::Cgroup) return false;
        return user_joined || type == Namespace::Mount;
    };
    for (const auto& entry : setup.plan.namespaces)
        if (!(entry.path.empty() && entry.received_fd < 0) && mine(entry.type)) TRY(join(entry));
    return {};
}

Result<void> name_host(const Plan& plan) {
    if (!has_namespace(plan, Namespace::Uts)) return {};
    if (!plan.hostname.empty() && ::sethostname(plan.hostname.data(), plan.hostname.size()) < 0)
        return Error::from_errno(errno, "set host name");
    if (!plan.domainname.empty() && ::setdomainname(plan.domainname.data(), plan.domainname.size()) < 0)
        return Error::from_errno(errno, "set domain name");
    return {};
}

Result<void> build_container(Setup& setup) {
    const Plan& plan = setup.plan;
    setup.host_proc = TRY(open_host_proc());
    TRY(open_place_of_root(setup));
    // As soon as the maps say who that is.
    if (setup.new_user_namespace) TRY(expect(setup, word_mapped));
    if (setup.in_user_namespace) TRY(become_mapped_root());
    TRY(join_namespaces(setup, false));
    // Here rather than in clone: it takes longer than all else, and the parent makes the cgroups meanwhile.
    if (makes_namespace(plan, Namespace::Network) && ::unshare(CLONE_NEWNET) < 0)
        return Error::from_errno(errno, "new network namespace");
    TRY(make_time_namespace(setup));
    TRY(name_host(plan));
    ::umask(0);
    PILA_FAILPOINT("init.before-root");
    TRY(enter_root(setup));
    TRY(build_mounts(setup));
    TRY(make_devices(setup));
    TRY(take_part_in_hooks(setup));
    if (plan.process.terminal)
        TRY(open_terminal(setup.root, setup.channel, plan.process, true));
    else
        TRY(place_stdio(setup.stdio, plan.process));
    TRY(write_sysctl(setup.host_proc, plan));
    TRY(hide_paths(setup));
    PILA_FAILPOINT("init.before-cgroups");
    // Here the parent's groups are needed, and not before.
    TRY(build_late_mounts(setup));
    TRY(join_cgroups(setup));
    TRY(join_namespaces(setup, true));
    ::umask(022);
    TRY(make_in_root(setup.root, plan.process.working_directory, Missing::Directory).in("make the working directory"));
    return leave_host(setup);
}

}  // namespace

void run(Setup& setup) {
    ::setsid();
    auto built = build_container(setup);
    if (!built) report_and_exit(setup.channel, built.error());
    Finish finish{.process = setup.plan.process,
                  .channel = setup.channel,
                  .host_proc = setup.host_proc,
                  .self_exe = setup.plan.init ? setup.self_exe : -1,
                  .die_with_parent = setup.die_with_parent,
                  .limits_by_parent = setup.limits_by_parent,
                  .start_socket = setup.start_socket,
                  .container = &setup.plan};
    auto failed = become(finish);
    report_and_exit(finish.channel, failed);
}

}  // namespace pila::runtime::init
