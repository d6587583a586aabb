// SPDX-License-Identifier: Apache-2.0
#include "runtime/check_internal.h"

#include <linux/filter.h>
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "runtime/init_internal.h"

namespace pila::runtime {

std::string sysctl_path(std::string_view name) {
    std::string path(name);
    auto separator = path.find_first_of("./");
    if (separator == std::string::npos || path[separator] == '/') return path;
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
    return path;
}

bool sysctl_is_namespaced(const Plan& plan, std::string_view name) {
    static constexpr std::string_view ipc[] = {"kernel/msgmax", "kernel/msgmnb",         "kernel/msgmni",
                                               "kernel/sem",    "kernel/shmall",         "kernel/shmmax",
                                               "kernel/shmmni", "kernel/shm_rmid_forced"};
    auto path = sysctl_path(name);
    for (auto part : split(path, '/'))
        if (part.empty() || part == "." || part == "..") return false;
    auto starts = [&](std::string_view prefix) { return path.compare(0, prefix.size(), prefix) == 0; };
    if (starts("net/")) return init::has_namespace(plan, Namespace::Network);
    if (starts("fs/mqueue/")) return init::has_namespace(plan, Namespace::Ipc);
    if (path == "kernel/domainname" || path == "kernel/hostname") return init::has_namespace(plan, Namespace::Uts);
    if (starts("user/")) return init::has_namespace(plan, Namespace::User);
    return std::find(std::begin(ipc), std::end(ipc), path) != std::end(ipc) &&
           init::has_namespace(plan, Namespace::Ipc);
}

static Result<void> check_indices(const Plan& plan, std::size_t received) {
    auto fits = [&](int index) { return index >= 0 && static_cast<std::size_t>(index) < received; };
    bool good = plan.root_fd < 0 || fits(plan.root_fd);
    for (const auto& entry : plan.namespaces) good = good && (entry.received_fd < 0 || fits(entry.received_fd));
    for (const auto& mount : plan.mounts) good = good && (mount.source_fd < 0 || fits(mount.source_fd));
    for (int index : plan.held_fds) good = good && fits(index);
    for (const auto& relay : plan.relays) good = good && fits(relay.listen_fd);
    if (!good)
        return Error(Errc::Invalid, fmt::format("plan names a descriptor beyond the {} that came with it", received));
    return {};
}

// In the caller's mount namespace its mounts are everybody's: nothing but the container's own may change.
static Result<void> check_shared_mounts(const Plan& plan) {
    auto refuse = [](std::string_view what) {
        return Error(Errc::Invalid, fmt::format("{} a mount namespace of the container's own", what));
    };
    if (plan.root_path.empty()) return refuse("a root file system that has no path needs");
    if (!plan.masked_paths.empty() || !plan.readonly_paths.empty())
        return refuse("linux.maskedPaths, linux.readonlyPaths: need");
    if (plan.root_propagation != 0) return refuse("linux.rootfsPropagation: needs");
    return {};
}

Result<void> check_plan(const Plan& plan, std::size_t received_fds) {
    TRY(check_indices(plan, received_fds));
    if (!init::has_namespace(plan, Namespace::Mount)) TRY(check_shared_mounts(plan));
    if (plan.root_path.empty() && (plan.root_fd < 0 || plan.state_directory.empty()))
        return Error(Errc::Invalid, "plan without a root file system");
    if (!plan.hostname.empty() && !init::has_namespace(plan, Namespace::Uts))
        return Error(Errc::Invalid, "a host name needs a UTS namespace of the container's own");
    for (const auto& [name, value] : plan.sysctl)
        if (!sysctl_is_namespaced(plan, name))
            return Error(Errc::Invalid,
                         fmt::format("sysctl {} is not in a separate kernel namespace", printable(name)));
    if (!plan.cgroup_path.empty() && (plan.cgroup_path[0] != '/' || plan.cgroup_path.find("/..") != std::string::npos))
        return Error(Errc::Invalid, "cgroup path " + printable(plan.cgroup_path) + ": not below the hierarchy's root");
    if (plan.process.working_directory.empty() || plan.process.working_directory[0] != '/')
        return Error(Errc::Invalid,
                     "working directory " + printable(plan.process.working_directory) + ": must be absolute");
    if (plan.process.seccomp_bpf.size() % sizeof(sock_filter) != 0 ||
        plan.process.seccomp_bpf.size() / sizeof(sock_filter) > BPF_MAXINSNS)
        return Error(Errc::Invalid, "seccomp filter of an impossible size");
    if (init::makes_namespace(plan, Namespace::User) && (plan.uid_mappings.empty() || plan.gid_mappings.empty()))
        return Error(Errc::Invalid, "a new user namespace needs user and group mappings");
    return {};
}

}  // namespace pila::runtime
