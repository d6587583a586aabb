// SPDX-License-Identifier: Apache-2.0
#pragma once
// The limits in a HostConfig: read, checked against what the machine can do, completed as Docker does, changed by
// `docker update`, and turned into what pila-runtime applies.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "os/cgroup.h"
#include "runtime/plan.h"

namespace pila {
class JsonReader;
}

namespace pila::engine {

struct BlockLimit {
    std::string path;  // of the device's node
    std::uint64_t value = 0;
};

// Zero and nothing: not limited.
struct Resources {
    std::int64_t memory = 0, memory_swap = 0, memory_reservation = 0;  // swap: memory included; -1: unlimited
    std::optional<std::int64_t> memory_swappiness;
    std::optional<bool> oom_kill_disable;
    std::int64_t nano_cpus = 0, cpu_quota = 0, cpu_period = 0, cpu_shares = 0;
    std::int64_t cpu_realtime_period = 0, cpu_realtime_runtime = 0;
    std::string cpuset_cpus, cpuset_mems;
    std::optional<std::int64_t> pids_limit;
    std::int64_t block_weight = 0;
    std::vector<BlockLimit> block_weight_devices, read_bytes_devices, write_bytes_devices, read_operations_devices,
        write_operations_devices;
};

// Mistakes are noted in the reader.
Resources read_resources(JsonReader& host_config);

// What this kernel can limit, and what there is of it.
struct HostLimits {
    bool memory = false, swap = false, reservation = false, swappiness = false, oom_kill_disable = false, pids = false;
    bool cpu_shares = false, cpu_bandwidth = false, cpu_realtime = false, cpuset = false;
    bool block_weight = false, block_throttle = false;
    int cpus = 1;
    std::string available_cpus, available_memory_nodes;  // "0-3"
};
// `parent`: a group that exists below the root, which on cgroup v2 has files that the root lacks.
HostLimits probe_host_limits(const os::CgroupLayout& layout, const std::string& parent);

enum class LimitsFor : std::uint8_t { Creation, Update };

// Invalid, in Docker's words, for what cannot be. What the machine cannot do is taken out of `host_config`, with a
// warning; Docker's defaults are filled in.
Result<std::vector<std::string>> settle_resources(json::object& host_config, const HostLimits& host, LimitsFor what);
Result<void> check_restart_policy(const json::object& host_config);

// Lays what `changes` has (zero, empty and null: nothing) over a container's HostConfig. Conflict: they contradict.
Result<void> merge_update(json::object& host_config, const json::object& changes);

Result<void> plan_resources(const Resources& resources, runtime::ResourcePlan& plan);
// For a running container: of `merged` only what `changes` touches.
Result<runtime::ResourcePlan> plan_update(const Resources& changes, const Resources& merged);

// What brings a running container back to `record` after `changes` were tried: what was not limited is not any more.
Result<runtime::ResourcePlan> plan_restore(const Resources& changes, const Resources& record);

// "0-2,7" -> 0 1 2 7; nullopt: malformed, or a number that no machine has.
std::optional<std::vector<unsigned>> parse_number_list(std::string_view text);

}  // namespace pila::engine
