// SPDX-License-Identifier: Apache-2.0
#pragma once
// Control groups of both generations. Version 1 hierarchies with an empty version 2 tree beside them (hybrid) count as
// version 1. Nothing here writes a process id into cgroup.procs to move a process into a group on a start path: that
// write waits for an RCU grace period, 11 ms on an idle machine. A process enters by itself (v1: enter_cgroups) or is
// born inside (v2: CLONE_INTO_CGROUP with directory_fd).

#include <sys/types.h>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace pila::os {

enum class CgroupMode : std::uint8_t { None, V1, V2 };

struct CgroupHierarchy {
    std::string mount_point;
    std::string root;                      // what of the hierarchy is mounted there: "/" outside of containers
    std::vector<std::string> controllers;  // v1: "cpu", "cpuacct", "name=systemd", ...; v2: empty
    bool has(std::string_view controller) const;
};

struct CgroupLayout {
    CgroupMode mode = CgroupMode::None;
    std::vector<CgroupHierarchy> hierarchies;                        // V2: exactly one
    const CgroupHierarchy* find(std::string_view controller) const;  // V2: always the one
};

// From the text of /proc/self/mountinfo; the mount points are where it says, never assumed.
CgroupLayout parse_cgroup_layout(std::string_view mountinfo);
Result<CgroupLayout> probe_cgroup_layout();

// The v1 controllers that a container has a group of its own in.
const std::vector<std::string>& container_controllers();

// One group, `path` below the root of each hierarchy in use. Copyable description, owns nothing.
class Cgroup {
public:
    Cgroup() = default;
    // Only names the group. `controllers`: the v1 hierarchies to use, those of them that exist.
    Cgroup(const CgroupLayout& layout, std::string path, const std::vector<std::string>& controllers);

    bool valid() const { return mode_ != CgroupMode::None; }
    CgroupMode mode() const { return mode_; }
    const std::string& path() const { return path_; }
    // Directory of the group in the hierarchy with this controller; "" if it has none there.
    std::string directory(std::string_view controller) const;

    // Makes the directories, parents too, and passes controllers down (v2) or cpuset values on (v1).
    Result<void> create() const;
    Result<void> write(std::string_view controller, const std::string& file, std::string_view value) const;
    Result<std::string> read(std::string_view controller, const std::string& file) const;

    // v1: for enter_cgroups, one a hierarchy. v2: cgroup.procs.
    Result<std::vector<Fd>> entrances() const;
    Result<Fd> directory_fd() const;  // v2, for CLONE_INTO_CGROUP
    // Of the first hierarchy in use.
    std::string first_directory() const { return groups_.empty() ? std::string() : path_of(groups_.front()); }

    Result<std::vector<pid_t>> processes() const;
    Result<void> freeze(bool frozen) const;
    bool is_frozen() const;
    Result<void> kill_all() const;
    std::uint64_t oom_kills() const;  // 0 when unknown
    // Fine if missing. Waits a little for processes that are just ending.
    Result<void> remove() const;

private:
    struct Group {
        std::string mount_point;
        std::vector<std::string> controllers;
    };
    std::string path_of(const Group& group) const { return group.mount_point + path_; }
    Result<void> create_v1(const Group& group) const;
    Result<void> create_v2() const;

    CgroupMode mode_ = CgroupMode::None;
    std::string path_;
    std::vector<Group> groups_;
};

// The calling process, which must have one thread, moves itself in: 29 us instead of 11 ms.
Result<void> enter_cgroups(const std::vector<Fd>& entrances);
// Moves the calling process to the root of every hierarchy it is not in already.
Result<void> leave_cgroups(const CgroupLayout& layout);

}  // namespace pila::os
