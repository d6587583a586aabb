// SPDX-License-Identifier: Apache-2.0
// The container's mount tree.
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"
#include "os/mount.h"
#include "runtime/init_copy_internal.h"
#include "runtime/init_internal.h"

namespace pila::runtime::init {

// With a shared tree, attaching the root would show on the host: the mount below it must not be shared.
static Result<void> unshare_mount_below(const std::string& path) {
    auto text = TRY(os::read_file("/proc/self/mountinfo", 16U << 20));
    std::string best = "/";
    for (auto line : split(text, '\n')) {
        auto fields = split(line, ' ');
        if (fields.size() < 5) continue;
        std::string point(fields[4]);
        bool below = path == point || (path.size() > point.size() && path.compare(0, point.size(), point) == 0 &&
                                       (point == "/" || path[point.size()] == '/'));
        if (below && point.size() >= best.size()) best = point;
    }
    return os::set_propagation(best.c_str(), MS_PRIVATE);
}

// A received tree goes onto any directory that exists: it is "/" soon.
static const std::string& path_of_place(const Plan& plan) {
    return plan.root_path.empty() ? plan.state_directory : plan.root_path;
}

Result<void> open_place_of_root(Setup& setup) {
    if (has_namespace(setup.plan, Namespace::Mount) && !makes_namespace(setup.plan, Namespace::Mount)) return {};
    setup.place_of_root = TRY(os::open(path_of_place(setup.plan), O_PATH | O_DIRECTORY));
    return {};
}

Result<void> enter_root(Setup& setup) {
    const Plan& plan = setup.plan;
    bool own_mounts = has_namespace(plan, Namespace::Mount);
    bool shared = (plan.root_propagation & (MS_SHARED | MS_SLAVE)) != 0;
    if (own_mounts)
        TRY(os::set_propagation(
            "/", shared ? (plan.root_propagation & (MS_SHARED | MS_SLAVE)) | MS_REC : MS_PRIVATE | MS_REC));
    const auto& onto = path_of_place(plan);
    if (!setup.place_of_root) setup.place_of_root = TRY(os::open(onto, O_PATH | O_DIRECTORY));
    FdView place = setup.place_of_root;
    if (shared) TRY(unshare_mount_below(onto));
    if (plan.root_fd >= 0) {
        setup.root = TRY(setup.fds[plan.root_fd].duplicate());
    } else {
        setup.root = TRY(os::clone_mount(place, "", os::Recursive::Yes));
    }
    TRY(os::attach_mount(setup.root, place).in("attach the root file system"));
    // Here the tree around it stays as it is; what is mounted below the root is nevertheless ours alone.
    return own_mounts ? Result<void>{} : os::change_mount(setup.root, 0, 0, MS_PRIVATE, os::Recursive::Yes);
}

static bool is_cgroup(const MountPlan& mount) { return mount.type == "cgroup" || mount.type == "cgroup2"; }

static Result<void> set_recursive_readonly(FdView mount) {
    return os::change_mount(mount, MOUNT_ATTR_RDONLY, 0, 0, os::Recursive::Yes);
}

static Result<void> set_mount_propagation(const Setup& setup, const MountPlan& mount) {
    auto placed = TRY(os::open_in_root(setup.root, mount.target, O_PATH));
    auto recursive = (mount.propagation & MS_REC) != 0 ? os::Recursive::Yes : os::Recursive::No;
    return os::change_mount(placed, 0, 0, mount.propagation & ~std::uint64_t{MS_REC}, recursive);
}

static Result<void> bind(const Setup& setup, const MountPlan& mount) {
    auto recursive = (mount.flags & MS_REC) != 0 ? os::Recursive::Yes : os::Recursive::No;
    auto index = static_cast<std::size_t>(&mount - setup.plan.mounts.data());
    Fd source;
    if (index < setup.bind_sources.size() && setup.bind_sources[index])
        source = TRY(setup.bind_sources[index].duplicate());
    else if (mount.source_fd >= 0)
        source = TRY(os::clone_mount(setup.fds[static_cast<std::size_t>(mount.source_fd)], "", recursive));
    else
        source = TRY(os::clone_mount(os::current_directory, mount.source, recursive));
    auto info = TRY(os::stat_of(source));
    auto target =
        TRY(make_in_root(setup.root, mount.target, S_ISDIR(info.st_mode) ? Missing::Directory : Missing::File));
    auto attributes = os::attributes_of_flags(mount.flags);
    if (attributes.set != 0 || attributes.clear != 0)
        TRY(os::change_mount(source, attributes.set, attributes.clear, 0, os::Recursive::No));
    if (mount.recursive_readonly) TRY(set_recursive_readonly(source));
    if ((mount.recursive_set | mount.recursive_clear) != 0)
        TRY(os::change_mount(source, mount.recursive_set, mount.recursive_clear, 0, os::Recursive::Yes));
    return os::attach_mount(source, target);
}

// "remount": what is there gets other attributes.
static Result<void> change_placed(const Setup& setup, const MountPlan& mount) {
    auto placed = TRY(os::open_in_root(setup.root, mount.target, O_PATH));
    auto attributes = os::attributes_of_flags(mount.flags);
    return os::change_mount(placed, attributes.set, attributes.clear, 0, os::Recursive::No);
}

// proc and sysfs must really be where their name says: a link in the image could otherwise make the paths that are
// masked below, or written to later, mean something else (CVE-2019-19921, CVE-2023-27561).
static Result<Fd> open_target(const Setup& setup, const MountPlan& mount) {
    if (mount.type != "proc" && mount.type != "sysfs")
        return make_in_root(setup.root, mount.target, Missing::Directory);
    auto place = TRY(make_parent_in_root(setup.root, mount.target));
    if (::mkdirat(place.directory.get(), place.name.c_str(), 0755) < 0 && errno != EEXIST)
        return Error::from_errno(errno, "create " + mount.target);
    return os::open_at(place.directory, place.name, O_PATH | O_DIRECTORY | O_NOFOLLOW);
}

static std::string tmpfs_data(const MountPlan& mount, FdView target, bool existed) {
    // As runc does: a tmpfs over an existing directory keeps its mode unless told otherwise.
    struct stat info {};
    if (!existed || mount.data.find("mode=") != std::string::npos || ::fstat(target.get(), &info) < 0)
        return mount.data;
    return fmt::format("{}{}mode={:o}", mount.data, mount.data.empty() ? "" : ",", info.st_mode & 07777);
}

static Result<void> mount_filesystem(const Setup& setup, const MountPlan& mount) {
    bool existed = mount.type == "tmpfs" && os::open_in_root(setup.root, mount.target, O_PATH).ok();
    auto target = TRY(open_target(setup, mount));
    std::uint64_t flags = mount.flags & ~std::uint64_t{MS_REC};
    // What is made below /dev comes later: read-only then (leave_host).
    if (mount.target == "/dev") flags &= ~std::uint64_t{MS_RDONLY};
    if (mount.copy_up) return mount_with_copy(mount, target, flags);
    auto data = mount.type == "tmpfs" ? tmpfs_data(mount, target, existed) : mount.data;
    const auto& label = setup.plan.bundle.mount_label;
    if (!label.empty() && mount.type != "proc" && mount.type != "sysfs" && mount.type != "mqueue")
        data += fmt::format("{}context=\"{}\"", data.empty() ? "" : ",", label);
    if (::fchdir(target.get()) < 0) return Error::from_errno(errno, "enter mount target");
    if (::mount(mount.source.c_str(), ".", mount.type.c_str(), flags, data.c_str()) < 0)
        return Error::from_errno(errno, fmt::format("mount {} ({})", mount.type, printable(data)));
    if ((mount.recursive_set | mount.recursive_clear) == 0) return {};
    auto placed = TRY(os::open_in_root(setup.root, mount.target, O_PATH));
    return os::change_mount(placed, mount.recursive_set, mount.recursive_clear, 0, os::Recursive::Yes);
}

static constexpr std::uint64_t bind_remount = MS_BIND | MS_REMOUNT;

static Result<void> make_mount(Setup& setup, const MountPlan& mount) {
    auto outcome = is_cgroup(mount)                               ? mount_cgroups(setup, mount)
                   : (mount.flags & bind_remount) == bind_remount ? change_placed(setup, mount)
                   : (mount.flags & MS_BIND) != 0                 ? bind(setup, mount)
                                                                  : mount_filesystem(setup, mount);
    if (outcome && mount.propagation != 0) outcome = set_mount_propagation(setup, mount);
    if (outcome) return {};
    return std::move(outcome).in(fmt::format("mount {} on {}", printable(mount.source), printable(mount.target)));
}

// Control groups are shown from inside one's own, which the parent may still be making: last, unless something else
// lies on them or they on something that is hidden.
static bool may_wait(const Plan& plan, std::size_t index) {
    const auto& target = plan.mounts[index].target;
    auto touches = [&](const std::string& path) { return path.starts_with(target) || target.starts_with(path); };
    for (std::size_t later = index + 1; later < plan.mounts.size(); ++later)
        if (touches(plan.mounts[later].target)) return false;
    return std::none_of(plan.masked_paths.begin(), plan.masked_paths.end(), touches) &&
           std::none_of(plan.readonly_paths.begin(), plan.readonly_paths.end(), touches);
}

Result<void> build_mounts(Setup& setup) {
    const auto& mounts = setup.plan.mounts;
    for (std::size_t i = 0; i < mounts.size(); ++i) {
        if (is_cgroup(mounts[i]) && may_wait(setup.plan, i))
            setup.late_mounts.push_back(&mounts[i]);
        else
            TRY(make_mount(setup, mounts[i]));
    }
    return {};
}

Result<void> build_late_mounts(Setup& setup) {
    auto mounts = std::move(setup.late_mounts);
    setup.late_mounts.clear();
    for (const auto* mount : mounts) TRY(make_mount(setup, *mount));
    return {};
}

namespace {

// Detached mounts that hide paths; each is made once and cloned for every path.
class Covers {
public:
    Result<Fd> over_file() {
        if (!null_) {
            auto device = TRY(os::open("/dev/null", O_PATH));
            auto info = TRY(os::stat_of(device));
            // CVE-2025-31133: whatever is called /dev/null must be the null device before it hides anything.
            if (!S_ISCHR(info.st_mode) || info.st_rdev != makedev_null)
                return Error(Errc::Invalid, "/dev/null of the host is not the null device");
            null_ = std::move(device);
        }
        return os::clone_mount(null_, "", os::Recursive::No);
    }
    Result<Fd> over_directory() {
        if (!empty_) {
            empty_ = TRY(os::new_mount("tmpfs", "tmpfs", "nr_blocks=1,nr_inodes=1",
                                       MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
            return empty_.duplicate();
        }
        return os::clone_mount(empty_, "", os::Recursive::No);
    }

private:
    static constexpr dev_t makedev_null = (1U << 8) | 3U;
    Fd null_, empty_;
};

Result<void> mask(const Setup& setup, Covers& covers, const std::string& path) {
    auto target = os::open_in_root(setup.root, path, O_PATH);
    if (!target) {
        bool absent = target.error().os_errno() == ENOENT || target.error().os_errno() == ENOTDIR;
        return absent ? Result<void>{} : Result<void>(target.take_error());
    }
    auto info = TRY(os::stat_of(*target));
    auto cover = S_ISDIR(info.st_mode) ? covers.over_directory() : covers.over_file();
    if (!cover) return cover.take_error();
    return os::attach_mount(*cover, *target);
}

Result<void> make_readonly(const Setup& setup, const std::string& path) {
    auto target = os::open_in_root(setup.root, path, O_PATH);
    if (!target) return target.error().os_errno() == ENOENT ? Result<void>{} : Result<void>(target.take_error());
    auto copy = TRY(os::clone_mount(*target, "", os::Recursive::Yes));
    TRY(os::change_mount(copy, MOUNT_ATTR_RDONLY, 0, 0, os::Recursive::Yes));
    return os::attach_mount(copy, *target);
}

}  // namespace

Result<void> hide_paths(Setup& setup) {
    for (const auto& path : setup.plan.readonly_paths) TRY(make_readonly(setup, path).in("make read-only: " + path));
    Covers covers;
    for (const auto& path : setup.plan.masked_paths) TRY(mask(setup, covers, path).in("mask " + path));
    return {};
}

// chroot(2), which does not lock in whoever keeps CAP_SYS_CHROOT; runc does the same.
static Result<void> change_root(FdView root) {
    if (::fchdir(root.get()) < 0 || ::chroot(".") < 0) return Error::from_errno(errno, "change the root directory");
    return {};
}

static Result<void> change_tree(const Setup& setup) {
    if (!has_namespace(setup.plan, Namespace::Mount)) return change_root(setup.root);
    return setup.plan.bundle.no_pivot ? os::move_into(setup.root) : os::pivot_into(setup.root);
}

Result<void> leave_host(Setup& setup) {
    bool shared = (setup.plan.root_propagation & (MS_SHARED | MS_SLAVE)) != 0;
    // Detaching the old tree must not reach the host through shared mounts; ours alone are shared from here on.
    TRY(change_tree(setup));
    if (shared) TRY(os::set_propagation("/", setup.plan.root_propagation));
    for (const auto& mount : setup.plan.mounts) {
        if (mount.target != "/dev" || (mount.flags & MS_RDONLY) == 0 || (mount.flags & MS_BIND) != 0) continue;
        auto dev = TRY(os::open_in_root(setup.root, "/dev", O_PATH));
        TRY(os::change_mount(dev, MOUNT_ATTR_RDONLY, 0, 0, os::Recursive::No));
    }
    if (setup.plan.root_readonly)
        TRY(os::change_mount(setup.root, MOUNT_ATTR_RDONLY, 0, 0, os::Recursive::No).in("make the root read-only"));
    return {};
}

}  // namespace pila::runtime::init
