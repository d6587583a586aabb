// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <algorithm>

#include "base/text.h"
#include "engine/resources.h"
#include "os/file.h"

namespace pila::engine {

static constexpr std::size_t max_file_bytes = 64U << 10;

static std::string line_of(const std::string& path) {
    auto text = os::read_file(path, max_file_bytes);
    return text ? std::string(trim(*text)) : std::string();
}

static void probe_v1(const os::CgroupLayout& layout, HostLimits& limits) {
    auto has = [&](std::string_view controller, const char* file) {
        const auto* hierarchy = layout.find(controller);
        return hierarchy && os::exists(hierarchy->mount_point + "/" + file);
    };
    limits.memory = has("memory", "memory.limit_in_bytes");
    limits.swap = has("memory", "memory.memsw.limit_in_bytes");
    limits.reservation = has("memory", "memory.soft_limit_in_bytes");
    limits.swappiness = has("memory", "memory.swappiness");
    limits.oom_kill_disable = has("memory", "memory.oom_control");
    limits.pids = layout.find("pids") != nullptr;
    limits.cpu_shares = has("cpu", "cpu.shares");
    limits.cpu_bandwidth = has("cpu", "cpu.cfs_quota_us");
    limits.cpu_realtime = has("cpu", "cpu.rt_runtime_us");
    limits.cpuset = has("cpuset", "cpuset.cpus");
    limits.block_weight = has("blkio", "blkio.weight") || has("blkio", "blkio.bfq.weight");
    limits.block_throttle = has("blkio", "blkio.throttle.read_bps_device");
    if (!limits.cpuset) return;
    const auto& cpuset = layout.find("cpuset")->mount_point;
    limits.available_cpus = line_of(cpuset + "/cpuset.cpus");
    limits.available_memory_nodes = line_of(cpuset + "/cpuset.mems");
}

static void probe_v2(const os::CgroupLayout& layout, const std::string& parent, HostLimits& limits) {
    const auto& root = layout.hierarchies.front().mount_point;
    auto controllers = line_of(root + "/cgroup.controllers");
    auto names = split(controllers, ' ');
    auto has = [&](std::string_view name) { return std::find(names.begin(), names.end(), name) != names.end(); };
    // A file's absence says something only where its controller's other files are.
    auto lacks = [&](const char* sibling, const char* file) {
        return os::exists(root + parent + "/" + sibling) && !os::exists(root + parent + "/" + file);
    };
    limits.memory = limits.reservation = has("memory");
    limits.swap = limits.memory && !lacks("memory.max", "memory.swap.max");
    limits.pids = has("pids");
    limits.cpu_shares = limits.cpu_bandwidth = has("cpu");
    limits.cpuset = has("cpuset");
    limits.block_throttle = has("io");
    limits.block_weight = has("io") && !(lacks("io.max", "io.weight") && lacks("io.max", "io.bfq.weight"));
    limits.available_cpus = line_of(root + "/cpuset.cpus.effective");
    limits.available_memory_nodes = line_of(root + "/cpuset.mems.effective");
}

HostLimits probe_host_limits(const os::CgroupLayout& layout, const std::string& parent) {
    HostLimits limits;
    cpu_set_t usable;
    if (::sched_getaffinity(0, sizeof usable, &usable) == 0) limits.cpus = CPU_COUNT(&usable);
    if (layout.mode == os::CgroupMode::V1) probe_v1(layout, limits);
    if (layout.mode == os::CgroupMode::V2) probe_v2(layout, parent, limits);
    return limits;
}

}  // namespace pila::engine
