// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a container gets unless somebody asks for something else: Docker's choices, as data.

#include <cstdint>
#include <string>

#include "runtime/plan.h"

namespace pila::runtime {

// Docker's fourteen; bit n = capability n.
std::uint64_t default_capabilities();
// Bounding, effective and permitted; inheritable and ambient stay empty (CVE-2022-24769).
CapabilityPlan capability_plan(std::uint64_t capabilities);

// Namespaces (all but user; network included), mounts, devices and their rules, masked and read-only paths,
// capabilities, environment PATH. The caller adds root, id, process, cgroup path and the seccomp filter.
Plan default_plan();
// The same with full rights: every capability and device, nothing masked, /sys and /proc/sys writable, no filter.
Plan privileged_plan();
std::vector<DeviceRule> default_device_rules();
std::vector<DevicePlan> default_devices();

// The default seccomp filter for a process with these capabilities, struct sock_filter[] as bytes. Cached. Any thread.
Result<std::string> compile_default_seccomp(std::uint64_t capabilities);

}  // namespace pila::runtime
