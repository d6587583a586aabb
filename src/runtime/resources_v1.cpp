// SPDX-License-Identifier: Apache-2.0
#include <cerrno>

#include <fmt/core.h>

#include "base/text.h"
#include "runtime/limit_writer_internal.h"

namespace pila::runtime {

// The kernel only says "busy" when it cannot get below a new limit.
static Error explain_memory(Error error, const os::Cgroup& cgroup, std::int64_t limit) {
    if (error.os_errno() != EBUSY) return error;
    auto number = [&](const char* file) {
        auto text = cgroup.read("memory", file);
        return text ? std::string(trim(*text)) : std::string("?");
    };
    return Error(Errc::Conflict,
                 fmt::format("unable to set memory limit to {} (current usage: {}, peak usage: {})", limit,
                             number("memory.usage_in_bytes"), number("memory.max_usage_in_bytes")),
                 EBUSY);
}

static Result<void> set_memory(LimitWriter& writer, const ResourcePlan& resources) {
    auto set_limit = [&]() -> Result<void> {
        if (!resources.memory_limit) return {};
        auto written = writer.set("memory", "memory.limit_in_bytes", std::to_string(*resources.memory_limit));
        if (written) return {};
        return explain_memory(written.take_error(), writer.cgroup(), *resources.memory_limit);
    };
    auto set_swap = [&]() -> Result<void> {
        if (!resources.memory_swap) return {};
        auto written = writer.set("memory", "memory.memsw.limit_in_bytes", std::to_string(*resources.memory_swap));
        // No such file: the kernel does not account swap, then there is nothing to limit.
        return !written && written.error().code() == Errc::NotFound ? Result<void>{} : std::move(written);
    };
    // memory <= memory+swap at every moment: whichever order the old values allow (EINVAL otherwise).
    auto limited = set_limit();
    if (!limited && limited.error().os_errno() != EINVAL) return limited;
    TRY(set_swap());
    if (!limited) TRY(set_limit());
    if (resources.memory_reservation)
        TRY(writer.set("memory", "memory.soft_limit_in_bytes", std::to_string(*resources.memory_reservation)));
    if (resources.memory_swappiness)
        TRY(writer.set("memory", "memory.swappiness", std::to_string(*resources.memory_swappiness)));
    if (resources.oom_kill_disable) {
        // Reads as several lines, the first of which is "oom_kill_disable 0".
        auto now = TRY(writer.cgroup().read("memory", "memory.oom_control"));
        bool disabled = now.find("oom_kill_disable 1") != std::string::npos;
        if (disabled != *resources.oom_kill_disable)
            TRY(writer.set_over("memory", "memory.oom_control", disabled ? "0" : "1", disabled ? "1" : "0"));
    }
    return {};
}

static Result<void> set_cpu_bandwidth(LimitWriter& writer, const ResourcePlan& resources) {
    auto set_period = [&]() -> Result<void> {
        if (resources.cpu_period_us.value_or(0) == 0) return {};
        return writer.set("cpu", "cpu.cfs_period_us", std::to_string(*resources.cpu_period_us));
    };
    // A parent's limit may forbid the new period with the old quota, or the other way round.
    auto period = set_period();
    if (resources.cpu_quota_us.value_or(0) != 0)
        TRY(writer.set("cpu", "cpu.cfs_quota_us", std::to_string(*resources.cpu_quota_us)));
    return period ? std::move(period) : set_period();
}

static Result<void> set_cpu(LimitWriter& writer, const ResourcePlan& resources) {
    if (resources.cpu_shares.value_or(0) != 0) {
        // The kernel would move it silently to what it can.
        if (*resources.cpu_shares < 2) return Error(Errc::Invalid, "the minimum allowed cpu-shares is 2");
        if (*resources.cpu_shares > 262144) return Error(Errc::Invalid, "the maximum allowed cpu-shares is 262144");
        TRY(writer.set("cpu", "cpu.shares", std::to_string(*resources.cpu_shares)));
    }
    TRY(set_cpu_bandwidth(writer, resources));
    if (resources.cpu_burst_us) TRY(writer.set("cpu", "cpu.cfs_burst_us", std::to_string(*resources.cpu_burst_us)));
    if (resources.cpu_idle) TRY(writer.set("cpu", "cpu.idle", std::to_string(*resources.cpu_idle)));
    if (resources.cpu_realtime_period_us.value_or(0) != 0)
        TRY(writer.set("cpu", "cpu.rt_period_us", std::to_string(*resources.cpu_realtime_period_us)));
    if (resources.cpu_realtime_runtime_us.value_or(0) != 0)
        TRY(writer.set("cpu", "cpu.rt_runtime_us", std::to_string(*resources.cpu_realtime_runtime_us)));
    if (!resources.cpuset_cpus.empty()) TRY(writer.set("cpuset", "cpuset.cpus", resources.cpuset_cpus));
    if (!resources.cpuset_mems.empty()) TRY(writer.set("cpuset", "cpuset.mems", resources.cpuset_mems));
    return {};
}

static Result<void> set_block(LimitWriter& writer, const ResourcePlan& resources) {
    if (resources.block_weight.value_or(0) != 0 || !resources.block_weight_devices.empty()) {
        // The weights of CFQ went with Linux 5.0; BFQ has them under its own name.
        std::string prefix = writer.has("blkio", "blkio.bfq.weight") ? "blkio.bfq." : "blkio.";
        if (resources.block_weight.value_or(0) != 0)
            TRY(writer.set("blkio", prefix + "weight", std::to_string(*resources.block_weight)));
        for (const auto& device : resources.block_weight_devices)
            TRY(writer.set_device("blkio", prefix + "weight_device", device, std::to_string(device.value), "0"));
    }
    for (auto [file, devices] : {std::pair{"blkio.throttle.read_bps_device", &resources.read_bytes_devices},
                                 std::pair{"blkio.throttle.write_bps_device", &resources.write_bytes_devices},
                                 std::pair{"blkio.throttle.read_iops_device", &resources.read_operations_devices},
                                 std::pair{"blkio.throttle.write_iops_device", &resources.write_operations_devices}})
        for (const auto& device : *devices)
            TRY(writer.set_device("blkio", file, device, std::to_string(device.value), "0"));
    return {};
}

static Result<void> set_others(LimitWriter& writer, const ResourcePlan& resources) {
    for (const auto& pages : resources.huge_pages)
        TRY(writer.set("hugetlb", "hugetlb." + pages.size + ".limit_in_bytes", std::to_string(pages.limit)));
    for (const auto& device : resources.rdma) TRY(set_rdma(writer, device));
    if (resources.network_class)
        TRY(writer.set("net_cls", "net_cls.classid", std::to_string(*resources.network_class)));
    for (const auto& [name, priority] : resources.network_priorities)
        TRY(writer.set_over("net_prio", "net_prio.ifpriomap", fmt::format("{} {}", name, priority), name + " 0"));
    if (!resources.unified.empty())
        return Error(Errc::Unsupported, "set " + resources.unified.front().first +
                                            ": linux.resources.unified needs cgroup v2, and this machine has v1");
    return {};
}

Result<void> set_limits_v1(LimitWriter& writer, const ResourcePlan& resources) {
    TRY(set_memory(writer, resources));
    TRY(set_cpu(writer, resources));
    TRY(set_block(writer, resources));
    return set_others(writer, resources);
}

}  // namespace pila::runtime
