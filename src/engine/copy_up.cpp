// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "engine/volumes.h"
#include "os/file.h"

namespace pila::engine {

static Error failed(const char* doing, const char* name) { return Error::from_errno(errno, fmt::format("{} {}", doing, name)); }

static Result<void> copy_bytes(FdView from, FdView to) {
    for (;;) {
        auto copied = ::copy_file_range(from.get(), nullptr, to.get(), nullptr, 1U << 30, 0);
        if (copied == 0) return {};
        if (copied > 0) continue;
        if (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return Error::from_errno(errno, "copy");
        while ((copied = ::sendfile(to.get(), from.get(), nullptr, 1U << 30)) > 0) {
        }
        if (copied < 0) return Error::from_errno(errno, "copy");
        return {};
    }
}

static void copy_xattrs(FdView from, FdView to) {
    char names[4096], value[16384];
    auto length = ::flistxattr(from.get(), names, sizeof names);
    for (ssize_t at = 0; at < length;) {
        std::string name(names + at);
        at += static_cast<ssize_t>(name.size()) + 1;
        if (name.starts_with("trusted.overlay.")) continue;
        auto size = ::fgetxattr(from.get(), name.c_str(), value, sizeof value);
        if (size >= 0) ::fsetxattr(to.get(), name.c_str(), value, static_cast<std::size_t>(size), 0);
    }
}

static Result<void> copy_attributes(FdView from, FdView to, const struct stat& info, const char* name) {
    if (::fchown(to.get(), info.st_uid, info.st_gid) < 0) return failed("set owner of", name);
    if (::fchmod(to.get(), info.st_mode & 07777) < 0) return failed("set mode of", name);  // after chown, which clears setuid
    copy_xattrs(from, to);
    timespec times[] = {info.st_atim, info.st_mtim};
    if (::futimens(to.get(), times) < 0) return failed("set times of", name);
    return {};
}

static Result<void> copy_directory(FdView from, FdView to);

static Result<void> copy_entry(FdView from, FdView to, const char* name) {
    struct stat info {};
    if (::fstatat(from.get(), name, &info, AT_SYMLINK_NOFOLLOW) < 0) return failed("look at", name);
    if (S_ISLNK(info.st_mode)) {
        char target[4096];
        auto size = ::readlinkat(from.get(), name, target, sizeof target - 1);
        if (size < 0) return failed("read link", name);
        target[size] = 0;
        if (::symlinkat(target, to.get(), name) < 0) return failed("make link", name);
        if (::fchownat(to.get(), name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) < 0) return failed("set owner of", name);
        return {};
    }
    if (S_ISDIR(info.st_mode)) {
        if (::mkdirat(to.get(), name, 0700) < 0) return failed("make directory", name);
        auto below_from = TRY(os::open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        auto below_to = TRY(os::open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        TRY(copy_directory(below_from, below_to));
        return copy_attributes(below_from, below_to, info, name);
    }
    if (!S_ISREG(info.st_mode)) {
        if (::mknodat(to.get(), name, info.st_mode, info.st_rdev) < 0) return failed("make node", name);
        if (::fchownat(to.get(), name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) < 0) return failed("set owner of", name);
        return {};
    }
    auto source = TRY(os::open_at(from, name, O_RDONLY | O_NOFOLLOW));
    auto target = TRY(os::open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    TRY(copy_bytes(source, target).in(name));
    return copy_attributes(source, target, info, name);
}

static Result<void> copy_directory(FdView from, FdView to) {
    Fd copy(::fcntl(from.get(), F_DUPFD_CLOEXEC, 3));
    DIR* stream = copy ? ::fdopendir(copy.get()) : nullptr;
    if (!stream) return Error::from_errno(errno, "read directory");
    copy.release();
    Result<void> outcome;
    while (auto* entry = ::readdir(stream)) {
        std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        outcome = copy_entry(from, to, entry->d_name);
        if (!outcome) break;
    }
    ::closedir(stream);
    return outcome;
}

Result<void> copy_up(FdView root, const std::string& path, const std::string& volume_directory) {
    auto source = os::open_in_root(root, path, O_RDONLY | O_DIRECTORY);
    if (!source) return {};  // nothing there to take over
    auto info = TRY(os::stat_of(*source));
    auto target = TRY(os::open(volume_directory, O_RDONLY | O_DIRECTORY));
    TRY(copy_directory(*source, target));
    return copy_attributes(*source, target, info, path.c_str());
}

}  // namespace pila::engine
