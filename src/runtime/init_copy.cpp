// SPDX-License-Identifier: Apache-2.0
#include "runtime/init_copy_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <climits>

#include "os/file.h"
#include "os/mount.h"

namespace pila::runtime::init {

static Result<void> copy_directory(FdView from, FdView to, int depth);

static Result<void> copy_content(FdView from, FdView to) {
    for (;;) {
        auto moved = ::sendfile(to.get(), from.get(), nullptr, 1U << 20);
        if (moved < 0 && errno == EINTR) continue;
        if (moved < 0) return Error::from_errno(errno, "copy into tmpfs");
        if (moved == 0) return {};
    }
}

static Result<void> copy_entry(FdView from, FdView to, const char* name, int depth) {
    struct stat info {};
    if (::fstatat(from.get(), name, &info, AT_SYMLINK_NOFOLLOW) < 0) return Error::from_errno(errno, "stat");
    mode_t mode = info.st_mode & 07777;
    if (S_ISLNK(info.st_mode)) {
        char target[PATH_MAX];
        auto length = ::readlinkat(from.get(), name, target, sizeof target - 1);
        if (length < 0) return Error::from_errno(errno, "read link");
        target[length] = 0;
        if (::symlinkat(target, to.get(), name) < 0) return Error::from_errno(errno, "copy link");
    } else if (S_ISDIR(info.st_mode)) {
        if (::mkdirat(to.get(), name, mode) < 0) return Error::from_errno(errno, "copy directory");
        auto inner_from = TRY(os::open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        auto inner_to = TRY(os::open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
        TRY(copy_directory(inner_from, inner_to, depth + 1));
    } else if (S_ISREG(info.st_mode)) {
        auto source = TRY(os::open_at(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        auto copy = TRY(os::open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
        TRY(copy_content(source, copy));
    } else if (::mknodat(to.get(), name, info.st_mode, info.st_rdev) < 0) {
        return Error::from_errno(errno, "copy special file");
    }
    if (::fchownat(to.get(), name, info.st_uid, info.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return Error::from_errno(errno, "copy owner");
    // After chown, which clears the set-user-ID bits.
    if (!S_ISLNK(info.st_mode) && ::fchmodat(to.get(), name, mode, 0) < 0) return Error::from_errno(errno, "copy mode");
    timespec times[2] = {info.st_atim, info.st_mtim};
    ::utimensat(to.get(), name, times, AT_SYMLINK_NOFOLLOW);
    return {};
}

static Result<void> copy_directory(FdView from, FdView to, int depth) {
    if (depth > 256) return Error(Errc::Invalid, "copy into tmpfs: directories nested too deep");
    DIR* stream = ::fdopendir(::fcntl(from.get(), F_DUPFD_CLOEXEC, 3));
    if (!stream) return Error::from_errno(errno, "list directory");
    Result<void> outcome;
    while (auto* entry = ::readdir(stream)) {
        std::string_view name = entry->d_name;
        if (name == "." || name == "..") continue;
        outcome = copy_entry(from, to, entry->d_name, depth);
        if (!outcome) break;
    }
    ::closedir(stream);
    return outcome;
}

Result<void> mount_with_copy(const MountPlan& mount, FdView target, std::uint64_t flags) {
    auto attributes = os::attributes_of_flags(flags);
    auto fresh =
        TRY(os::new_mount(mount.type, mount.source, mount.data, attributes.set & ~std::uint64_t{MOUNT_ATTR_RDONLY}));
    auto from = TRY(os::open_at(target, ".", O_RDONLY | O_DIRECTORY));
    auto to = TRY(os::open_at(fresh, ".", O_RDONLY | O_DIRECTORY));
    TRY(copy_directory(from, to, 0).in("fill tmpfs on " + mount.target));
    auto info = TRY(os::stat_of(from));
    if (mount.data.find("mode=") == std::string::npos && ::fchmod(to.get(), info.st_mode & 07777) < 0)
        return Error::from_errno(errno, "mode of tmpfs");
    if ((attributes.set & MOUNT_ATTR_RDONLY) != 0)
        TRY(os::change_mount(fresh, MOUNT_ATTR_RDONLY, 0, 0, os::Recursive::No));
    return os::attach_mount(fresh, target);
}

}  // namespace pila::runtime::init
