// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/core.h>

#include "runtime/device_filter_internal.h"
#include "runtime/launch_internal.h"

namespace pila::runtime {

namespace {

using os::Cgroup;
using os::CgroupMode;

std::string number_or(std::int64_t value, const char* unlimited) {
    return value < 0 ? unlimited : std::to_string(value);
}

Result<void> set_memory_v1(const Cgroup& cgroup, const ResourcePlan& resources) {
    const std::string limit_file = "memory.limit_in_bytes", swap_file = "memory.memsw.limit_in_bytes";
    auto set_limit = [&]() -> Result<void> {
        if (!resources.memory_limit) return {};
        return cgroup.write("memory", limit_file, std::to_string(*resources.memory_limit));
    };
    auto set_swap = [&]() -> Result<void> {
        if (!resources.memory_swap) return {};
        auto written = cgroup.write("memory", swap_file, std::to_string(*resources.memory_swap));
        // No such file: the kernel does not account swap, then there is nothing to limit.
        return !written && written.error().code() == Errc::NotFound ? Result<void>{} : std::move(written);
    };
    // memory <= memory+swap at every moment: whichever order the old values allow (EINVAL otherwise).
    if (set_limit()) {
        TRY(set_swap());
    } else {
        TRY(set_swap());
        TRY(set_limit());
    }
    if (resources.memory_reservation)
        TRY(cgroup.write("memory", "memory.soft_limit_in_bytes", std::to_string(*resources.memory_reservation)));
    return {};
}

Result<void> set_cpu_v1(const Cgroup& cgroup, const ResourcePlan& resources) {
    if (resources.cpu_shares && *resources.cpu_shares != 0)
        TRY(cgroup.write("cpu", "cpu.shares", std::to_string(*resources.cpu_shares)));
    if (resources.cpu_period_us && *resources.cpu_period_us != 0)
        TRY(cgroup.write("cpu", "cpu.cfs_period_us", std::to_string(*resources.cpu_period_us)));
    if (resources.cpu_quota_us && *resources.cpu_quota_us != 0)
        TRY(cgroup.write("cpu", "cpu.cfs_quota_us", std::to_string(*resources.cpu_quota_us)));
    if (!resources.cpuset_cpus.empty()) TRY(cgroup.write("cpuset", "cpuset.cpus", resources.cpuset_cpus));
    if (!resources.cpuset_mems.empty()) TRY(cgroup.write("cpuset", "cpuset.mems", resources.cpuset_mems));
    return {};
}

Result<void> set_memory_v2(const Cgroup& cgroup, const ResourcePlan& resources) {
    // The plan counts swap as v1 does, memory included; v2 counts it alone.
    if (resources.memory_swap) {
        auto swap = *resources.memory_swap;
        if (swap > 0 && resources.memory_limit.value_or(-1) > 0)
            swap = std::max<std::int64_t>(0, swap - *resources.memory_limit);
        auto written = cgroup.write("memory", "memory.swap.max", number_or(swap, "max"));
        if (!written && written.error().code() != Errc::NotFound) return written;
    }
    if (resources.memory_limit) TRY(cgroup.write("memory", "memory.max", number_or(*resources.memory_limit, "max")));
    if (resources.memory_reservation)
        TRY(cgroup.write("memory", "memory.low", number_or(*resources.memory_reservation, "max")));
    return {};
}

Result<void> set_cpu_v2(const Cgroup& cgroup, const ResourcePlan& resources) {
    if (resources.cpu_shares && *resources.cpu_shares != 0) {
        // 2..262144 onto 1..10000, as runc and crun do it.
        auto shares = std::clamp<std::uint64_t>(*resources.cpu_shares, 2, 262144);
        TRY(cgroup.write("cpu", "cpu.weight", std::to_string(1 + (shares - 2) * 9999 / 262142)));
    }
    if (resources.cpu_quota_us || resources.cpu_period_us) {
        auto quota = resources.cpu_quota_us.value_or(-1);
        TRY(cgroup.write("cpu", "cpu.max",
                         fmt::format("{} {}", quota <= 0 ? "max" : std::to_string(quota),
                                     resources.cpu_period_us.value_or(0) == 0 ? 100000 : *resources.cpu_period_us)));
    }
    if (!resources.cpuset_cpus.empty()) TRY(cgroup.write("cpuset", "cpuset.cpus", resources.cpuset_cpus));
    if (!resources.cpuset_mems.empty()) TRY(cgroup.write("cpuset", "cpuset.mems", resources.cpuset_mems));
    return {};
}

}  // namespace

Result<void> update_resources(const Cgroup& cgroup, const ResourcePlan& resources) {
    if (cgroup.mode() == CgroupMode::V1) {
        TRY(set_memory_v1(cgroup, resources));
        TRY(set_cpu_v1(cgroup, resources));
    } else {
        TRY(set_memory_v2(cgroup, resources));
        TRY(set_cpu_v2(cgroup, resources));
        for (const auto& [file, value] : resources.unified) TRY(cgroup.write("", file, value));
    }
    if (resources.pids_limit && *resources.pids_limit != 0)
        TRY(cgroup.write("pids", "pids.max", number_or(*resources.pids_limit, "max")));
    return {};
}

Result<void> apply_resources(const Cgroup& cgroup, const ResourcePlan& resources) {
    TRY(update_resources(cgroup, resources));
    if (resources.devices.empty()) return {};
    if (cgroup.mode() == CgroupMode::V2) return attach_device_filter(cgroup, resources.devices);
    return write_device_rules(cgroup, resources.devices);
}

}  // namespace pila::runtime
