// SPDX-License-Identifier: Apache-2.0
#pragma once
// --systemd-cgroup: systemd makes the container's group as a transient scope.

#include <sys/types.h>
#include <string>
#include <string_view>

#include "base/result.h"
#include "os/cgroup.h"
#include "runtime/plan.h"

namespace pila::runtime {

struct ScopeName {
    std::string slice, unit;  // "system.slice", "pila-ID.scope"
    std::string cgroup_path;  // "/system.slice/pila-ID.scope"
};
// linux.cgroupsPath as "SLICE:PREFIX:NAME"; empty: "system.slice:pila:ID" (rootless: user.slice).
Result<ScopeName> parse_scope(std::string_view cgroups_path, const std::string& id, bool rootless);
// Unsupported if there is no systemd. The group of a user's own is found out from it.
Result<ScopeName> locate_scope(std::string_view cgroups_path, const std::string& id, bool rootless);

// Returns once the process is in its new scope. systemd is told the main limits, too: it would undo them otherwise when
// it reads its configuration again.
Result<void> start_scope(const ScopeName& scope, const std::string& id, pid_t pid, const ResourcePlan& limits,
                         os::CgroupMode mode);
// What changed of them, for the same reason.
Result<void> update_scope(const std::string& unit, const ResourcePlan& limits, os::CgroupMode mode);
Result<void> stop_scope(const std::string& unit);

}  // namespace pila::runtime
