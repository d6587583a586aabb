// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "os/file.h"
#include "os/mount.h"
#include "os/user_namespace.h"
#include "runtime/init_internal.h"
#include "runtime/launch_parts_internal.h"

namespace pila::runtime {

// Its own mappings, or those of the container.
static Result<Fd> namespace_of_ids(const LaunchInput& input, const MountPlan& mount) {
    if (mount.uid_mappings.empty())
        for (const auto& entry : input.plan.namespaces)
            if (entry.type == Namespace::User && !entry.path.empty()) return os::open(entry.path, O_RDONLY);
    auto ranges = [](const std::vector<IdMapping>& mappings) {
        os::IdRanges made;
        for (const auto& range : mappings) made.push_back({range.container_id, range.host_id, range.size});
        return made;
    };
    bool own = !mount.uid_mappings.empty();
    os::IdMap map{ranges(own ? mount.uid_mappings : input.plan.uid_mappings),
                  ranges(own ? mount.gid_mappings : input.plan.gid_mappings)};
    if (map.empty()) return Error(Errc::Invalid, "neither it nor the container has mappings");
    auto made = TRY(os::UserNamespace::create(std::move(map)));
    return std::move(made.fd);
}

static Result<void> map_ids(const LaunchInput& input, const MountPlan& mount, FdView source) {
    auto map = [&]() -> Result<void> {
        auto space = TRY(namespace_of_ids(input, mount));
        return os::map_mount_ids(source, space, mount.id_mapped_recursively ? os::Recursive::Yes : os::Recursive::No);
    };
    return map().in(fmt::format("id-mapped mount of {} on {}", mount.source, mount.target));
}

Result<std::vector<Fd>> open_bind_sources(const LaunchInput& input) {
    const Plan& plan = input.plan;
    std::vector<Fd> sources(plan.mounts.size());
    bool mounts_joined = init::has_namespace(plan, Namespace::Mount) && !init::makes_namespace(plan, Namespace::Mount);
    auto mapped = std::find_if(plan.mounts.begin(), plan.mounts.end(),
                               [](const auto& mount) { return mount.id_mapped || mount.id_mapped_recursively; });
    if (::geteuid() != 0 || mounts_joined) {
        if (mapped == plan.mounts.end()) return sources;
        return Error(Errc::Unsupported, "id-mapped mount on " + mapped->target + ": needs root and a mount namespace");
    }
    for (std::size_t i = 0; i < sources.size(); ++i) {
        const auto& mount = plan.mounts[i];
        if ((mount.flags & MS_BIND) == 0) continue;
        auto recursive = (mount.flags & MS_REC) != 0 ? os::Recursive::Yes : os::Recursive::No;
        auto source = mount.source_fd >= 0
                          ? os::clone_mount(input.fds[static_cast<std::size_t>(mount.source_fd)], "", recursive)
                          : os::clone_mount(os::current_directory, mount.source, recursive);
        // A detached mount that was cloned in another mount namespace cannot be cloned again, only attached.
        if (!source && mount.source_fd >= 0) source = input.fds[static_cast<std::size_t>(mount.source_fd)].duplicate();
        if (source && (mount.id_mapped || mount.id_mapped_recursively)) TRY(map_ids(input, mount, *source));
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
