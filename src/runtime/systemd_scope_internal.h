// SPDX-License-Identifier: Apache-2.0
#pragma once
// --systemd-cgroup: systemd makes the container's group as a transient scope.

#include <sys/types.h>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pila::runtime {

// linux.cgroupsPath as "SLICE:PREFIX:NAME"; empty: the defaults of runc.
struct ScopeName {
    std::string slice, unit;  // "system.slice", "runc-ID.scope"
    std::string cgroup_path;  // "/system.slice/runc-ID.scope"
};
Result<ScopeName> parse_scope(std::string_view cgroups_path, const std::string& id, bool rootless);

// Returns once the process is in its new scope.
Result<void> start_scope(const ScopeName& scope, const std::string& id, pid_t pid);
Result<void> stop_scope(const std::string& unit);

}  // namespace pila::runtime
