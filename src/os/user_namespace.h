// SPDX-License-Identifier: Apache-2.0
#pragma once
// User namespaces as things to hold: their maps, a descriptor of one, mounts that show ids through one, and the ids by
// which a thread makes files.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/fd.h"
#include "os/mount.h"

namespace pila::os {

struct IdRange {
    std::uint32_t inside = 0, outside = 0, count = 0;
};
using IdRanges = std::vector<IdRange>;

// Empty: no mapping, ids are the same inside and outside.
struct IdMap {
    IdRanges users, groups;
    bool empty() const { return users.empty(); }
};

// What an id without a counterpart looks like on the other side (/proc/sys/kernel/overflowuid's default).
constexpr std::uint32_t overflow_id = 65534;

// No ranges: the id itself. nullopt: not in any range.
std::optional<std::uint32_t> to_outside(const IdRanges& ranges, std::uint32_t inside);
std::optional<std::uint32_t> to_inside(const IdRanges& ranges, std::uint32_t outside);

// A user namespace without a process in it; it lives by its descriptor. Needs root for more than one's own id.
struct UserNamespace {
    Fd fd;
    IdMap map;

    static Result<UserNamespace> create(IdMap map);
    // Who root of it is outside.
    std::uint32_t root_uid() const { return to_outside(map.users, 0).value_or(overflow_id); }
    std::uint32_t root_gid() const { return to_outside(map.groups, 0).value_or(overflow_id); }
};

// `mount` (detached) shows what is on disk as id N as the id that the namespace maps N to (Linux 5.12; not every file
// system).
Result<void> map_mount_ids(FdView mount, FdView user_namespace, Recursive recursive = Recursive::No);

// From here on the calling thread makes files as these ids, with all the capabilities it had: an id-mapped mount takes
// none from ids that it does not map.
Result<void> make_files_as(std::uint32_t uid, std::uint32_t gid);

}  // namespace pila::os
