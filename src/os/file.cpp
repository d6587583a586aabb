// SPDX-License-Identifier: Apache-2.0
#include "os/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fmt/core.h>

#include "base/random.h"

namespace pila::os {

template <typename Call>
static auto retry(Call call) {
    for (;;) {
        auto result = call();
        if (result >= 0 || errno != EINTR) return result;
    }
}

Result<Fd> open_at(FdView directory, const std::string& path, int flags, mode_t mode) {
    int fd = retry([&] { return ::openat(directory.get(), path.c_str(), flags | O_CLOEXEC, mode); });
    if (fd < 0) return Error::from_errno(errno, "open " + path);
    return Fd(fd);
}

Result<Fd> open(const std::string& path, int flags, mode_t mode) {
    return open_at(current_directory, path, flags, mode);
}

Result<Fd> open_in_root(FdView root, const std::string& path, int flags, mode_t mode) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? mode : 0;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    for (int attempt = 0;; ++attempt) {
        auto fd = ::syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how);
        if (fd >= 0) return Fd(static_cast<int>(fd));
        // EAGAIN: a rename or mount raced with the walk, the kernel asks for another try (openat2(2)).
        if ((errno == EAGAIN && attempt < 64) || errno == EINTR) continue;
        return Error::from_errno(errno, "open " + path + " below the root");
    }
}

Result<std::size_t> read_some(FdView file, char* buffer, std::size_t size) {
    auto got = retry([&] { return ::read(file.get(), buffer, size); });
    if (got < 0) return Error::from_errno(errno, "read");
    return static_cast<std::size_t>(got);
}

Result<std::string> read_all(FdView file, std::size_t max_bytes) {
    std::string bytes;
    char buffer[16384];
    for (;;) {
        auto got = TRY(read_some(file, buffer, sizeof buffer));
        if (got == 0) return bytes;
        if (bytes.size() + got > max_bytes) return Error(Errc::Exhausted, fmt::format("more than {} bytes", max_bytes));
        bytes.append(buffer, got);
    }
}

Result<std::string> read_file(const std::string& path, std::size_t max_bytes) {
    auto file = TRY(open(path, O_RDONLY));
    return read_all(file, max_bytes).in("read " + path);
}

Result<void> write_all(FdView file, std::string_view bytes) {
    while (!bytes.empty()) {
        auto put = retry([&] { return ::write(file.get(), bytes.data(), bytes.size()); });
        if (put < 0) return Error::from_errno(errno, "write");
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

Result<void> write_file(const std::string& path, std::string_view bytes) {
    auto file = TRY(open(path, O_WRONLY));
    auto put = retry([&] { return ::write(file.get(), bytes.data(), bytes.size()); });
    if (put < 0) return Error::from_errno(errno, "write " + path);
    if (static_cast<std::size_t>(put) != bytes.size()) return Error(Errc::Internal, "write " + path + ": cut short");
    return {};
}

static std::string parent_of(const std::string& path) {
    auto slash = path.find_last_of('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Result<void> replace_file(const std::string& path, std::string_view bytes, mode_t mode, Sync sync) {
    std::string temporary = path + ".tmp-" + random_hex(8);
    auto write_temporary = [&]() -> Result<void> {
        auto file = TRY(open(temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
        TRY(write_all(file, bytes).in(temporary));
        if (sync == Sync::Yes && ::fsync(file.get()) < 0) return Error::from_errno(errno, "fsync " + temporary);
        TRY(std::move(file).close().in(temporary));
        if (::rename(temporary.c_str(), path.c_str()) < 0) return Error::from_errno(errno, "rename to " + path);
        return {};
    };
    auto written = write_temporary();
    if (!written) {
        ::unlink(temporary.c_str());
        return written;
    }
    if (sync == Sync::Yes) {
        auto directory = TRY(open(parent_of(path), O_RDONLY | O_DIRECTORY));
        if (::fsync(directory.get()) < 0) return Error::from_errno(errno, "fsync directory of " + path);
    }
    return {};
}

Result<void> make_directory(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) < 0) return Error::from_errno(errno, "create directory " + path);
    return {};
}

Result<void> make_directories(const std::string& path, mode_t mode) {
    if (::mkdir(path.c_str(), mode) == 0) return {};
    if (errno == EEXIST) {
        struct stat info {};
        if (::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) return {};
        return Error(Errc::Invalid, "create directory " + path + ": something else has this name", ENOTDIR);
    }
    if (errno != ENOENT || path.empty() || path == "/") return Error::from_errno(errno, "create directory " + path);
    TRY(make_directories(parent_of(path), mode));
    if (::mkdir(path.c_str(), mode) < 0 && errno != EEXIST) return Error::from_errno(errno, "create directory " + path);
    return {};
}

Result<void> lock_exclusively(FdView file, LockWait wait) {
    constexpr int pause_ms = 20;  // the kernel has no flock with a time limit
    const int attempts = wait == LockWait::No ? 0 : 50;
    for (int attempt = 0; ::flock(file.get(), LOCK_EX | LOCK_NB) < 0; ++attempt) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return Error::from_errno(errno, "lock");
        if (attempt == attempts) return Error(Errc::Conflict, "lock: somebody else has it", EWOULDBLOCK);
        ::poll(nullptr, 0, pause_ms);
    }
    return {};
}

Result<Fd> lock_directory(const std::string& path, LockWait wait) {
    auto lock = TRY(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY(lock_exclusively(lock, wait));
    auto held = TRY(stat_of(lock));
    struct stat named {};
    if (::stat(path.c_str(), &named) < 0 || held.st_ino != named.st_ino)
        return Error(Errc::NotFound, "lock " + path + ": it was removed", ENOENT);
    return lock;
}

Result<void> remove_file(const std::string& path) {
    if (::unlink(path.c_str()) < 0) return Error::from_errno(errno, "remove " + path);
    return {};
}

namespace {

// rm -rf by descriptors, so that a directory swapped for a link meanwhile is not followed. Two of them and a stack
// frame a level: what lies deeper than max_levels (a container may nest without end) is first moved up beside the
// topmost.
class TreeRemover {
public:
    Result<void> remove(FdView parent, const char* name, int level) {
        if (::unlinkat(parent.get(), name, 0) == 0 || errno == ENOENT) return {};
        if (errno != EISDIR && errno != EPERM) return failed(name);
        if (level > max_levels) return move_up(parent, name);
        int fd = ::openat(parent.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0) return errno == ENOENT ? Result<void>{} : failed(name);
        Fd directory(fd);
        struct stat info {};
        if (::fstat(fd, &info) < 0) return failed(name);
        if (level == 0) {
            top_ = fd;
            device_ = info.st_dev;
        }
        if (info.st_dev != device_)
            return Error(Errc::Conflict, fmt::format("remove {}: another file system is mounted there", name), EBUSY);
        for (;;) {
            TRY(empty(directory, level));
            if (::unlinkat(parent.get(), name, AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
            // Subtrees moved up to the top arrive there while it is being read.
            if (level > 0 || errno != ENOTEMPTY || std::exchange(moved_, 0) == 0) return failed(name);
        }
    }

private:
    static constexpr int max_levels = 200;

    static Error failed(const char* name) { return Error::from_errno(errno, fmt::format("remove {}", name)); }

    Result<void> empty(FdView directory, int level) {
        int fd = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR* stream = fd < 0 ? nullptr : ::fdopendir(fd);
        if (!stream) return Error::from_errno(errno, "list a directory to remove");
        Result<void> outcome;
        while (auto* entry = ::readdir(stream)) {
            std::string_view child = entry->d_name;
            if (child == "." || child == "..") continue;
            outcome = remove(directory, entry->d_name, level + 1);
            if (!outcome) break;
        }
        ::closedir(stream);
        return outcome;
    }

    Result<void> move_up(FdView parent, const char* name) {
        auto higher = fmt::format(".removed-{}", random_hex(16));
        if (::renameat(parent.get(), name, top_, higher.c_str()) < 0) return failed(name);
        ++moved_;
        return {};
    }

    int top_ = -1;
    dev_t device_ = 0;
    std::uint64_t moved_ = 0;
};

}  // namespace

Result<void> remove_tree(const std::string& path) {
    return TreeRemover().remove(current_directory, path.c_str(), 0).in("remove tree " + path);
}

Result<void> rename(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) < 0) return Error::from_errno(errno, "rename " + from + " to " + to);
    return {};
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

Result<std::vector<std::string>> list_directory(const std::string& path) {
    DIR* stream = ::opendir(path.c_str());
    if (!stream) return Error::from_errno(errno, "list " + path);
    std::vector<std::string> names;
    while (auto* entry = ::readdir(stream)) {
        std::string_view name = entry->d_name;
        if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(stream);
    std::sort(names.begin(), names.end());
    return names;
}

Result<struct stat> stat_of(FdView file) {
    struct stat info {};
    if (::fstat(file.get(), &info) < 0) return Error::from_errno(errno, "stat");
    return info;
}

}  // namespace pila::os
