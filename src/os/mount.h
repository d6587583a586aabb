// SPDX-License-Identifier: Apache-2.0
#pragma once
// Mounts by descriptor (Linux 5.12: open_tree, move_mount, mount_setattr), so that no path is looked up twice and
// nothing in a container's tree can be exchanged between check and use.

#include <cstdint>
#include <string>

#include "base/fd.h"

namespace pila::os {

enum class Recursive : std::uint8_t { No, Yes };

// A private copy of the mount at `path` below `directory` ("": `directory` itself), attached nowhere.
Result<Fd> clone_mount(FdView directory, const std::string& path, Recursive recursive);
// Places a detached mount on the file or directory that `target` (O_PATH) stands for.
Result<void> attach_mount(FdView mount, FdView target);
// A new file system, attached nowhere. `options`: "size=64m,mode=755" (commas separate; \, is a comma).
Result<Fd> new_mount(const std::string& type, const std::string& source, const std::string& options,
                     std::uint64_t attributes);
// MOUNT_ATTR_* to set and clear, propagation MS_* or 0. Flags that a user namespace locked stay.
Result<void> change_mount(FdView mount, std::uint64_t set, std::uint64_t clear, std::uint64_t propagation,
                          Recursive recursive);
// MS_RDONLY, MS_NOSUID, ... of mount(2) as MOUNT_ATTR_* of mount_setattr(2). clear: the access-time field when one is
// set.
struct MountAttributes {
    std::uint64_t set = 0, clear = 0;
};
MountAttributes attributes_of_flags(std::uint64_t flags);

// MS_* propagation of an existing mount by path, MS_REC allowed.
Result<void> set_propagation(const char* path, std::uint64_t propagation);
// The directory behind `root` becomes "/" of this mount namespace, the former tree is gone.
Result<void> pivot_into(FdView root);
// The same where "/" is the initial RAM disk, which cannot be pivoted away: moved over it, which hides but keeps it.
Result<void> move_into(FdView root);
// Of the mount that a path is on: no two of a mount namespace have the same at a time (Linux 5.8).
Result<std::uint64_t> mount_id(const std::string& path);
// statfs(2) f_type.
Result<std::uint64_t> filesystem_type(FdView file);

}  // namespace pila::os
