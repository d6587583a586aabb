// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files and directories as typed calls: EINTR retried, close-on-exec always, the call and the path in every error.

#include <sys/stat.h>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace pila::os {

inline constexpr FdView current_directory{-100};  // AT_FDCWD

// `flags` as for openat(2); O_CLOEXEC is added.
Result<Fd> open(const std::string& path, int flags, mode_t mode = 0);
Result<Fd> open_at(FdView directory, const std::string& path, int flags, mode_t mode = 0);
// openat2(2) with RESOLVE_IN_ROOT (Linux 5.6): symbolic links, "..", and absolute paths stay below `root`.
Result<Fd> open_in_root(FdView root, const std::string& path, int flags, mode_t mode = 0);

Result<std::string> read_all(FdView file, std::size_t max_bytes);  // Exhausted if there is more
Result<std::string> read_file(const std::string& path, std::size_t max_bytes);
Result<std::size_t> read_some(FdView file, char* buffer, std::size_t size);  // 0: end
Result<void> write_all(FdView file, std::string_view bytes);
// One write(2) to an existing file, as /proc and cgroup files want it.
Result<void> write_file(const std::string& path, std::string_view bytes);

// The only way state reaches a file: a temporary name beside it, fsync, rename, fsync of the directory.
// Sync::No leaves out the fsyncs: still never half-written, but may be lost with the power.
enum class Sync : std::uint8_t { Yes, No };
Result<void> replace_file(const std::string& path, std::string_view bytes, mode_t mode = 0600, Sync sync = Sync::Yes);

// flock(2), exclusive; Conflict if somebody else has it. Moment: for longer than a second; shorter may be a child of a
// killed process that was just being started and holds a copy until its exec.
enum class LockWait : std::uint8_t { No, Moment };
Result<void> lock_exclusively(FdView file, LockWait wait = LockWait::Moment);
// A directory whose lock stands for its name. NotFound: it is not there, or its last holder removed it meanwhile.
Result<Fd> lock_directory(const std::string& path, LockWait wait);

Result<void> make_directory(const std::string& path, mode_t mode = 0755);    // AlreadyExists if it is there
Result<void> make_directories(const std::string& path, mode_t mode = 0755);  // like mkdir -p
Result<void> remove_file(const std::string& path);                           // NotFound if it is not there
// rm -rf that never follows a symbolic link and never crosses into another file system. Missing is fine.
Result<void> remove_tree(const std::string& path);
Result<void> rename(const std::string& from, const std::string& to);
bool exists(const std::string& path);
Result<std::vector<std::string>> list_directory(const std::string& path);  // names without "." and "..", sorted
Result<struct stat> stat_of(FdView file);

}  // namespace pila::os
