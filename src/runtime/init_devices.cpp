// SPDX-License-Identifier: Apache-2.0
// Device nodes and the fixed links of /dev (OCI runtime specification, "Default Devices", "Dev symbolic links").
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <cerrno>

#include <algorithm>

#include "os/file.h"
#include "os/mount.h"
#include "runtime/init_internal.h"

namespace pila::runtime::init {

namespace {

Result<void> bind_device(const Place& place, const DevicePlan& device) {
    auto made = os::open_at(place.directory, place.name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (!made) return made.take_error();
    auto host = TRY(os::clone_mount(os::current_directory, device.path, os::Recursive::No));
    auto target = TRY(os::open_at(place.directory, place.name, O_PATH | O_NOFOLLOW));
    return os::attach_mount(host, target);
}

Result<void> make_device(const Setup& setup, const DevicePlan& device) {
    auto place = TRY(make_parent_in_root(setup.root, device.path));
    mode_t type = device.type == 'b' ? S_IFBLK : device.type == 'p' ? S_IFIFO : S_IFCHR;
    if (setup.in_user_namespace && device.type != 'p') return bind_device(place, device);
    if (::mknodat(place.directory.get(), place.name.c_str(), type | device.mode, makedev(device.major, device.minor)) <
        0) {
        if (errno == EPERM || errno == EACCES) return bind_device(place, device);
        if (errno != EEXIST) return Error::from_errno(errno, "mknod");
        struct stat info {};
        if (::fstatat(place.directory.get(), place.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
            (info.st_mode & S_IFMT) == type && (type == S_IFIFO || info.st_rdev == makedev(device.major, device.minor)))
            return {};
        return Error(Errc::AlreadyExists, "mknod: something else has this name", EEXIST);
    }
    if ((device.uid != 0 || device.gid != 0) &&
        ::fchownat(place.directory.get(), place.name.c_str(), device.uid, device.gid, AT_SYMLINK_NOFOLLOW) < 0)
        return Error::from_errno(errno, "chown");
    return {};
}

bool dev_is_bound(const Plan& plan) {
    return std::any_of(plan.mounts.begin(), plan.mounts.end(),
                       [](const MountPlan& mount) { return mount.target == "/dev" && (mount.flags & MS_BIND) != 0; });
}

Result<void> make_links(FdView dev, bool terminals) {
    static constexpr struct {
        const char *name, *target;
    } links[] = {{"fd", "/proc/self/fd"},
                 {"stdin", "/proc/self/fd/0"},
                 {"stdout", "/proc/self/fd/1"},
                 {"stderr", "/proc/self/fd/2"},
                 {"core", "/proc/kcore"}};
    for (const auto& [name, target] : links) {
        // Kernels without it have no core to link to (runc looks, too).
        if (std::string_view(name) == "core" && ::access(target, F_OK) < 0) continue;
        if (::symlinkat(target, dev.get(), name) < 0 && errno != EEXIST)
            return Error::from_errno(errno, std::string("create link /dev/") + name);
    }
    if (!terminals) return {};
    // The container's own devpts, not whatever ptmx the image brought along.
    if (::symlinkat("pts/ptmx", dev.get(), "ptmx") < 0) {
        if (errno != EEXIST) return Error::from_errno(errno, "create link /dev/ptmx");
        if (::unlinkat(dev.get(), "ptmx", 0) < 0 || ::symlinkat("pts/ptmx", dev.get(), "ptmx") < 0)
            return Error::from_errno(errno, "replace /dev/ptmx");
    }
    return {};
}

}  // namespace

Result<void> make_devices(Setup& setup) {
    const Plan& plan = setup.plan;
    if (dev_is_bound(plan)) return {};  // the host's own directory: hands off
    for (const auto& device : plan.devices) TRY(make_device(setup, device).in("create device " + device.path));
    bool has_dev =
        std::any_of(plan.mounts.begin(), plan.mounts.end(), [](const auto& mount) { return mount.target == "/dev"; });
    if (!has_dev) return {};
    bool terminals =
        std::any_of(plan.mounts.begin(), plan.mounts.end(), [](const auto& mount) { return mount.type == "devpts"; });
    auto dev = TRY(os::open_in_root(setup.root, "/dev", O_PATH | O_DIRECTORY));
    return make_links(dev, terminals);
}

}  // namespace pila::runtime::init
