// SPDX-License-Identifier: Apache-2.0
#include "os/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <cerrno>

namespace pila::os {

Result<Fd> clone_mount(FdView directory, const std::string& path, Recursive recursive) {
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
    if (path.empty()) flags |= AT_EMPTY_PATH;
    if (recursive == Recursive::Yes) flags |= AT_RECURSIVE;
    int fd = ::open_tree(directory.get(), path.c_str(), flags);
    if (fd < 0) return Error::from_errno(errno, "clone mount " + path);
    return Fd(fd);
}

Result<void> attach_mount(FdView mount, FdView target) {
    if (::move_mount(mount.get(), "", target.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return Error::from_errno(errno, "attach mount");
    return {};
}

// One option to fsconfig(2): "key=value" or a flag.
static Result<void> configure(FdView context, const std::string& option) {
    auto equals = option.find('=');
    int outcome;
    if (equals == std::string::npos)
        outcome = ::fsconfig(context.get(), FSCONFIG_SET_FLAG, option.c_str(), nullptr, 0);
    else
        outcome = ::fsconfig(context.get(), FSCONFIG_SET_STRING, option.substr(0, equals).c_str(),
                             option.c_str() + equals + 1, 0);
    if (outcome < 0) return Error::from_errno(errno, "mount option " + option);
    return {};
}

static Result<void> configure_all(FdView context, const std::string& options) {
    std::string option;
    for (std::size_t i = 0; i <= options.size(); ++i) {
        bool end = i == options.size() || options[i] == ',';
        if (!end && options[i] == '\\' && i + 1 < options.size() && options[i + 1] == ',') ++i;
        if (!end) {
            option += options[i];
            continue;
        }
        if (!option.empty()) TRY(configure(context, option));
        option.clear();
    }
    return {};
}

Result<Fd> new_mount(const std::string& type, const std::string& source, const std::string& options,
                     std::uint64_t attributes) {
    Fd context(::fsopen(type.c_str(), FSOPEN_CLOEXEC));
    if (!context) return Error::from_errno(errno, "file system " + type);
    if (!source.empty() && ::fsconfig(context.get(), FSCONFIG_SET_STRING, "source", source.c_str(), 0) < 0)
        return Error::from_errno(errno, "source of file system " + type);
    TRY(configure_all(context, options).in("file system " + type));
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0)
        return Error::from_errno(errno, "create file system " + type);
    Fd mount(::fsmount(context.get(), FSMOUNT_CLOEXEC, static_cast<unsigned>(attributes)));
    if (!mount) return Error::from_errno(errno, "mount file system " + type);
    return mount;
}

Result<void> change_mount(FdView mount, std::uint64_t set, std::uint64_t clear, std::uint64_t propagation,
                          Recursive recursive) {
    mount_attr attributes{};
    attributes.attr_set = set;
    attributes.attr_clr = clear;
    attributes.propagation = propagation;
    unsigned flags = AT_EMPTY_PATH | (recursive == Recursive::Yes ? AT_RECURSIVE : 0U);
    if (::mount_setattr(mount.get(), "", flags, &attributes, sizeof attributes) < 0)
        return Error::from_errno(errno, "change mount attributes");
    return {};
}

MountAttributes attributes_of_flags(std::uint64_t flags) {
    static constexpr struct {
        std::uint64_t flag, attribute;
    } plain[] = {{MS_RDONLY, MOUNT_ATTR_RDONLY},
                 {MS_NOSUID, MOUNT_ATTR_NOSUID},
                 {MS_NODEV, MOUNT_ATTR_NODEV},
                 {MS_NOEXEC, MOUNT_ATTR_NOEXEC},
                 {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME},
                 {256 /* MS_NOSYMFOLLOW */, 0x00200000 /* MOUNT_ATTR_NOSYMFOLLOW, Linux 5.14 */}};
    MountAttributes attributes;
    for (const auto& [flag, attribute] : plain)
        if ((flags & flag) != 0) attributes.set |= attribute;
    // The access-time settings are one field: it must be cleared to be set (mount_setattr(2)).
    if ((flags & (MS_NOATIME | MS_STRICTATIME | MS_RELATIME)) != 0) attributes.clear |= MOUNT_ATTR__ATIME;
    if ((flags & MS_NOATIME) != 0)
        attributes.set |= MOUNT_ATTR_NOATIME;
    else if ((flags & MS_STRICTATIME) != 0)
        attributes.set |= MOUNT_ATTR_STRICTATIME;
    return attributes;
}

Result<void> set_propagation(const char* path, std::uint64_t propagation) {
    if (::mount(nullptr, path, nullptr, propagation, nullptr) < 0)
        return Error::from_errno(errno, std::string("set mount propagation of ") + path);
    return {};
}

Result<void> pivot_into(FdView root) {
    if (::fchdir(root.get()) < 0) return Error::from_errno(errno, "enter the root directory");
    // pivot_root(2), "pivot_root(".", ".")": the old root ends up stacked on the new one and is dropped from there.
    if (::syscall(SYS_pivot_root, ".", ".") < 0) return Error::from_errno(errno, "pivot_root");
    if (::umount2(".", MNT_DETACH) < 0) return Error::from_errno(errno, "drop the former root");
    if (::chdir("/") < 0) return Error::from_errno(errno, "enter the new root");
    return {};
}

Result<void> move_into(FdView root) {
    if (::fchdir(root.get()) < 0) return Error::from_errno(errno, "enter the root directory");
    if (::mount(".", "/", nullptr, MS_MOVE, nullptr) < 0) return Error::from_errno(errno, "move the root over \"/\"");
    if (::chroot(".") < 0) return Error::from_errno(errno, "chroot");
    if (::chdir("/") < 0) return Error::from_errno(errno, "enter the new root");
    return {};
}

Result<std::uint64_t> mount_id(const std::string& path) {
    struct statx info {};
    if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &info) < 0)
        return Error::from_errno(errno, "look at " + path);
    if ((info.stx_mask & STATX_MNT_ID) == 0) return Error(Errc::Unsupported, "the kernel does not number mounts");
    return info.stx_mnt_id;
}

Result<std::uint64_t> filesystem_type(FdView file) {
    struct statfs info {};
    if (::fstatfs(file.get(), &info) < 0) return Error::from_errno(errno, "statfs");
    return static_cast<std::uint64_t>(info.f_type);
}

}  // namespace pila::os
