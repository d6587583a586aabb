// SPDX-License-Identifier: Apache-2.0
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "os/file.h"
#include "os/mount.h"
#include "runtime/init_internal.h"
#include "runtime/launch_parts_internal.h"

namespace pila::runtime {

std::vector<Fd> open_bind_sources(const LaunchInput& input) {
    const Plan& plan = input.plan;
    std::vector<Fd> sources(plan.mounts.size());
    bool mounts_joined = init::has_namespace(plan, Namespace::Mount) && !init::makes_namespace(plan, Namespace::Mount);
    if (::geteuid() != 0 || mounts_joined) return sources;
    for (std::size_t i = 0; i < sources.size(); ++i) {
        const auto& mount = plan.mounts[i];
        if ((mount.flags & MS_BIND) == 0) continue;
        auto recursive = (mount.flags & MS_REC) != 0 ? os::Recursive::Yes : os::Recursive::No;
        auto source = mount.source_fd >= 0
                          ? os::clone_mount(input.fds[static_cast<std::size_t>(mount.source_fd)], "", recursive)
                          : os::clone_mount(os::current_directory, mount.source, recursive);
        // A detached mount that was cloned in another mount namespace cannot be cloned again, only attached.
        if (!source && mount.source_fd >= 0) source = input.fds[static_cast<std::size_t>(mount.source_fd)].duplicate();
        if (source) sources[i] = source.take();  // otherwise the child finds out why not
    }
    return sources;
}

static std::uint32_t outside_of(const std::vector<IdMapping>& mappings, std::uint32_t inside) {
    for (const auto& range : mappings)
        if (inside >= range.container_id && inside - range.container_id < range.size)
            return range.host_id + (inside - range.container_id);
    return inside;
}

bool sets_limits(const Plan& plan) { return init::has_namespace(plan, Namespace::User) && ::geteuid() == 0; }

static void set_limit(pid_t pid, const RlimitPlan& limit) {
    rlimit wanted{limit.soft, limit.hard}, own{};
    auto resource = static_cast<__rlimit_resource>(limit.resource);
    if (::prlimit(pid, resource, &wanted, nullptr) == 0 || errno != EPERM) return;
    // Without CAP_SYS_RESOURCE: what there is is the most there can be.
    ::prlimit(pid, resource, nullptr, &own);
    wanted.rlim_max = std::min(wanted.rlim_max, own.rlim_max);
    wanted.rlim_cur = std::min(wanted.rlim_cur, wanted.rlim_max);
    ::prlimit(pid, resource, &wanted, nullptr);
}

void set_with_our_rights(const Plan& plan, const ProcessPlan& process, const Stdio& stdio, pid_t pid) {
    if (!sets_limits(plan)) return;
    for (const auto& limit : process.rlimits) set_limit(pid, limit);
    if (process.oom_score_adj)
        ignore(os::write_file(fmt::format("/proc/{}/oom_score_adj", pid), std::to_string(*process.oom_score_adj)),
               "lowering it needs CAP_SYS_RESOURCE");
    auto owner = outside_of(plan.uid_mappings, process.uid);
    for (int fd : {stdio.in, stdio.out, stdio.error}) {
        struct stat info {};
        if (::fstat(fd, &info) == 0 && S_ISFIFO(info.st_mode) && info.st_uid != owner)
            ignore(::fchown(fd, owner, info.st_gid) < 0 ? Error::from_errno(errno, "chown") : Result<void>{},
                   "/dev/stdout cannot be opened again then");
    }
}

}  // namespace pila::runtime
