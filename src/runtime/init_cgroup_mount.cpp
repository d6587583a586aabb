// SPDX-License-Identifier: Apache-2.0
// A mount of type "cgroup", with the meaning that runc gives it: the container's own groups, as the host is laid out.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"
#include "runtime/init_internal.h"

namespace pila::runtime::init {

static Result<void> join_groups_of(Setup& setup) {
    std::vector<Fd> entrances;
    TRY(expect(setup, word_join, &entrances));
    if (setup.cgroup.mode() == os::CgroupMode::V1) TRY(os::enter_cgroups(entrances));
    return {};
}

Result<void> join_cgroups(Setup& setup) {
    if (setup.joined) return {};
    setup.joined = true;
    if (setup.cgroup.valid()) TRY(join_groups_of(setup));
    // Only now: the namespace's root is the group that the process is in.
    if (makes_namespace(setup.plan, Namespace::Cgroup) && ::unshare(CLONE_NEWCGROUP) < 0)
        return Error::from_errno(errno, "new cgroup namespace");
    return {};
}

namespace {

Result<void> mount_unified(Setup& setup, const MountPlan& mount, FdView target) {
    auto attributes = os::attributes_of_flags(mount.flags);
    auto fresh = os::new_mount("cgroup2", "cgroup", "", attributes.set);
    if (fresh) {
        if (has_namespace(setup.plan, Namespace::Cgroup) || !setup.cgroup.valid())
            return os::attach_mount(*fresh, target);
        // Without a cgroup namespace the mount shows the host's whole tree: place only our part of it.
    }
    auto own = setup.cgroup.valid() ? setup.cgroup.directory("") : std::string("/sys/fs/cgroup");
    auto part = TRY(os::clone_mount(os::current_directory, own, os::Recursive::Yes));
    TRY(os::change_mount(part, attributes.set, 0, 0, os::Recursive::Yes));
    return os::attach_mount(part, target);
}

Result<Fd> hierarchy_mount(Setup& setup, const os::CgroupHierarchy& hierarchy, std::uint64_t attributes) {
    if (makes_namespace(setup.plan, Namespace::Cgroup))
        return os::new_mount("cgroup", "cgroup", join(hierarchy.controllers, ","), attributes);
    auto own = setup.cgroup.directory(hierarchy.controllers.front());
    auto part = TRY(os::clone_mount(os::current_directory, own, os::Recursive::No));
    TRY(os::change_mount(part, attributes, 0, 0, os::Recursive::No));
    return part;
}

// One directory a hierarchy in a small tmpfs; controllers that are mounted together get links ("cpu" -> "cpu,cpuacct").
Result<void> mount_v1(Setup& setup, const MountPlan& mount, FdView target) {
    auto layout = TRY(os::probe_cgroup_layout());
    auto attributes = os::attributes_of_flags(mount.flags).set;
    auto base =
        TRY(os::new_mount("tmpfs", "tmpfs", "mode=755,size=64k", attributes & ~std::uint64_t{MOUNT_ATTR_RDONLY}));
    TRY(os::attach_mount(base, target));
    for (const auto& hierarchy : layout.hierarchies) {
        if (setup.cgroup.directory(hierarchy.controllers.front()).empty()) continue;
        auto name = hierarchy.mount_point.substr(hierarchy.mount_point.find_last_of('/') + 1);
        if (::mkdirat(base.get(), name.c_str(), 0755) < 0) return Error::from_errno(errno, "create directory " + name);
        auto place = TRY(os::open_at(base, name, O_PATH | O_DIRECTORY));
        auto shown = TRY(hierarchy_mount(setup, hierarchy, attributes));
        TRY(os::attach_mount(shown, place));
        for (const auto& controller : hierarchy.controllers)
            if (controller != name && hierarchy.controllers.size() > 1 &&
                ::symlinkat(name.c_str(), base.get(), controller.c_str()) < 0)
                return Error::from_errno(errno, "create link " + controller);
    }
    if ((attributes & MOUNT_ATTR_RDONLY) != 0) TRY(os::change_mount(base, MOUNT_ATTR_RDONLY, 0, 0, os::Recursive::No));
    return {};
}

}  // namespace

Result<void> mount_cgroups(Setup& setup, const MountPlan& mount) {
    auto target = TRY(make_in_root(setup.root, mount.target, Missing::Directory));
    TRY(join_cgroups(setup));
    if (setup.cgroup.mode() == os::CgroupMode::V1) return mount_v1(setup, mount, target);
    if (setup.cgroup.mode() == os::CgroupMode::V2) return mount_unified(setup, mount, target);
    auto layout = TRY(os::probe_cgroup_layout());
    if (layout.mode == os::CgroupMode::V2) return mount_unified(setup, mount, target);
    return {};  // no group of its own and separate hierarchies: nothing that would be the container's to see
}

}  // namespace pila::runtime::init
