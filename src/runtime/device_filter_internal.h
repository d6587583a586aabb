// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which devices a group may use. v1: files of the devices controller; v2: a BPF program on the group.

#include <cstdint>
#include <vector>

#include "os/cgroup.h"
#include "runtime/plan.h"

struct bpf_insn;

namespace pila::runtime {

Result<void> write_device_rules(const os::Cgroup& cgroup, const std::vector<DeviceRule>& rules);
Result<void> attach_device_filter(const os::Cgroup& cgroup, const std::vector<DeviceRule>& rules);

// BPF_PROG_TYPE_CGROUP_DEVICE. As in v1, the last rule that fits an access decides; none: denied.
std::vector<bpf_insn> device_program(const std::vector<DeviceRule>& rules);
std::string device_rule_text(const DeviceRule& rule);  // "c 1:3 rwm", "a"

}  // namespace pila::runtime
