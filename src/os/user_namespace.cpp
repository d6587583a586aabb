// SPDX-License-Identifier: Apache-2.0
#include "os/user_namespace.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <csignal>
#include <string>

#include <fmt/core.h>

#include "os/capability.h"
#include "os/file.h"

namespace pila::os {

std::optional<std::uint32_t> to_outside(const IdRanges& ranges, std::uint32_t inside) {
    if (ranges.empty()) return inside;
    for (const auto& range : ranges)
        if (inside >= range.inside && inside - range.inside < range.count)
            return range.outside + (inside - range.inside);
    return std::nullopt;
}

std::optional<std::uint32_t> to_inside(const IdRanges& ranges, std::uint32_t outside) {
    if (ranges.empty()) return outside;
    for (const auto& range : ranges)
        if (outside >= range.outside && outside - range.outside < range.count)
            return range.inside + (outside - range.outside);
    return std::nullopt;
}

namespace {

std::string map_text(const IdRanges& ranges) {
    std::string text;
    for (const auto& range : ranges) text += fmt::format("{} {} {}\n", range.inside, range.outside, range.count);
    return text;
}

// Shares the caller's memory, so it must not touch anything.
int wait_to_be_killed(void*) {
    for (;;) ::pause();
}

// A process that only holds a new user namespace; ended and reaped with this object.
class Holder {
public:
    Result<void> start() {
        // CLONE_VM: copying a large daemon's page tables would cost milliseconds.
        pid_ =
            ::clone(wait_to_be_killed, stack_.data() + stack_.size(), CLONE_NEWUSER | CLONE_VM | CLONE_FILES, nullptr);
        if (pid_ < 0) return Error::from_errno(errno, "make a user namespace");
        return {};
    }
    ~Holder() {
        if (pid_ < 0) return;
        ::kill(pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
        }
    }
    std::string proc(const char* name) const { return fmt::format("/proc/{}/{}", pid_, name); }

private:
    alignas(16) std::array<char, 16384> stack_{};
    pid_t pid_ = -1;
};

}  // namespace

Result<UserNamespace> UserNamespace::create(IdMap map) {
    Holder holder;
    TRY(holder.start());
    TRY(write_file(holder.proc("uid_map"), map_text(map.users)).in("map users"));
    TRY(write_file(holder.proc("gid_map"), map_text(map.groups)).in("map groups"));
    auto fd = TRY(open(holder.proc("ns/user"), O_RDONLY));
    return UserNamespace{std::move(fd), std::move(map)};
}

Result<void> map_mount_ids(FdView mount, FdView user_namespace, Recursive recursive) {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_IDMAP;
    attributes.userns_fd = static_cast<std::uint64_t>(user_namespace.get());
    unsigned flags = AT_EMPTY_PATH | (recursive == Recursive::Yes ? AT_RECURSIVE : 0U);
    if (::mount_setattr(mount.get(), "", flags, &attributes, sizeof attributes) < 0)
        return Error::from_errno(errno, "map the ids of a mount");
    return {};
}

Result<void> make_files_as(std::uint32_t uid, std::uint32_t gid) {
    auto sets = TRY(capabilities());
    ::setfsgid(gid);
    ::setfsuid(uid);
    // setfsuid(2) tells failure only by the id that a second call returns. Leaving 0 takes CAP_DAC_OVERRIDE and its
    // kin.
    if (static_cast<std::uint32_t>(::setfsuid(uid)) != uid || static_cast<std::uint32_t>(::setfsgid(gid)) != gid)
        return Error(Errc::Denied, fmt::format("make files as {}:{}", uid, gid), EPERM);
    return set_capabilities(sets);
}

}  // namespace pila::os
