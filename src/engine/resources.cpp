// SPDX-License-Identifier: Apache-2.0
#include "engine/resources.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "base/json_reader.h"
#include "base/text.h"

namespace pila::engine {

static std::vector<BlockLimit> read_block_limits(JsonReader& in, std::string_view field, std::string_view value) {
    std::vector<BlockLimit> limits;
    const auto* list = in.array(field);
    if (!list) return limits;
    for (const auto& item : *list) {
        if (!item.is_object()) {
            in.fail(field, "a list of objects");
            break;
        }
        JsonReader one(item.get_object(), std::string(field));
        BlockLimit limit{one.text("Path"), 0};
        auto number = one.integer(value);
        if (number < 0) one.fail(value, "a number that is not negative");
        limit.value = static_cast<std::uint64_t>(number);
        in.absorb(one);
        limits.push_back(std::move(limit));
    }
    return limits;
}

Resources read_resources(JsonReader& in) {
    Resources read;
    read.memory = in.integer("Memory");
    read.memory_swap = in.integer("MemorySwap");
    read.memory_reservation = in.integer("MemoryReservation");
    read.memory_swappiness = in.optional_integer("MemorySwappiness");
    if (in.has("OomKillDisable")) read.oom_kill_disable = in.boolean("OomKillDisable");
    read.nano_cpus = in.integer("NanoCpus");
    read.cpu_quota = in.integer("CpuQuota");
    read.cpu_period = in.integer("CpuPeriod");
    read.cpu_shares = in.integer("CpuShares");
    read.cpu_realtime_period = in.integer("CpuRealtimePeriod");
    read.cpu_realtime_runtime = in.integer("CpuRealtimeRuntime");
    read.cpuset_cpus = in.text("CpusetCpus");
    read.cpuset_mems = in.text("CpusetMems");
    read.pids_limit = in.optional_integer("PidsLimit");
    read.block_weight = in.integer("BlkioWeight");
    read.block_weight_devices = read_block_limits(in, "BlkioWeightDevice", "Weight");
    read.read_bytes_devices = read_block_limits(in, "BlkioDeviceReadBps", "Rate");
    read.write_bytes_devices = read_block_limits(in, "BlkioDeviceWriteBps", "Rate");
    read.read_operations_devices = read_block_limits(in, "BlkioDeviceReadIOps", "Rate");
    read.write_operations_devices = read_block_limits(in, "BlkioDeviceWriteIOps", "Rate");
    return read;
}

static Result<void> add_devices(const std::vector<BlockLimit>& from, std::vector<runtime::DeviceLimit>& to) {
    for (const auto& limit : from) {
        struct stat info {};
        if (::stat(limit.path.c_str(), &info) < 0)
            return Error::from_errno(errno, "stat " + limit.path).with_code(Errc::Invalid);
        to.push_back({major(info.st_rdev), minor(info.st_rdev), limit.value});
    }
    return {};
}

Result<void> plan_resources(const Resources& from, runtime::ResourcePlan& plan) {
    if (from.memory > 0) plan.memory_limit = from.memory;
    if (from.memory_swap != 0)
        plan.memory_swap = from.memory_swap < 0 ? -1 : from.memory_swap;
    else if (from.memory > 0)
        plan.memory_swap = from.memory * 2;  // Docker's default
    if (from.memory_reservation > 0) plan.memory_reservation = from.memory_reservation;
    if (from.memory_swappiness && *from.memory_swappiness >= 0)
        plan.memory_swappiness = static_cast<std::uint64_t>(*from.memory_swappiness);
    if (from.oom_kill_disable && *from.oom_kill_disable) plan.oom_kill_disable = true;
    if (from.cpu_shares > 0) plan.cpu_shares = static_cast<std::uint64_t>(from.cpu_shares);
    if (from.nano_cpus > 0) {
        plan.cpu_period_us = 100'000;
        plan.cpu_quota_us = from.nano_cpus / 10'000;
    }
    if (from.cpu_quota != 0) plan.cpu_quota_us = from.cpu_quota;
    if (from.cpu_period > 0) plan.cpu_period_us = static_cast<std::uint64_t>(from.cpu_period);
    if (from.cpu_realtime_period > 0)
        plan.cpu_realtime_period_us = static_cast<std::uint64_t>(from.cpu_realtime_period);
    if (from.cpu_realtime_runtime != 0) plan.cpu_realtime_runtime_us = from.cpu_realtime_runtime;
    plan.cpuset_cpus = from.cpuset_cpus;
    plan.cpuset_mems = from.cpuset_mems;
    if (from.pids_limit) plan.pids_limit = *from.pids_limit > 0 ? *from.pids_limit : -1;
    if (from.block_weight > 0) plan.block_weight = static_cast<std::uint16_t>(from.block_weight);
    TRY(add_devices(from.block_weight_devices, plan.block_weight_devices));
    TRY(add_devices(from.read_bytes_devices, plan.read_bytes_devices));
    TRY(add_devices(from.write_bytes_devices, plan.write_bytes_devices));
    TRY(add_devices(from.read_operations_devices, plan.read_operations_devices));
    return add_devices(from.write_operations_devices, plan.write_operations_devices);
}

Result<runtime::ResourcePlan> plan_update(const Resources& changes, const Resources& merged) {
    // Pairs that only together make what the kernel wants to be told.
    auto live = changes;
    if (changes.memory != 0 || changes.memory_swap != 0) {
        live.memory = merged.memory;
        live.memory_swap = merged.memory_swap;
    }
    if (changes.cpu_quota != 0 || changes.cpu_period != 0) {
        live.cpu_quota = merged.cpu_quota;
        live.cpu_period = merged.cpu_period;
    }
    runtime::ResourcePlan plan;
    TRY(plan_resources(live, plan));
    if (changes.oom_kill_disable) plan.oom_kill_disable = changes.oom_kill_disable;
    return plan;
}

Result<runtime::ResourcePlan> plan_restore(const Resources& changes, const Resources& record) {
    auto touched = changes;
    auto restore = [](auto& value, const auto& before) {
        if (value != 0) value = before;
    };
    restore(touched.memory, record.memory);
    restore(touched.memory_swap, record.memory_swap);
    restore(touched.memory_reservation, record.memory_reservation);
    restore(touched.nano_cpus, record.nano_cpus);
    restore(touched.cpu_shares, record.cpu_shares);
    restore(touched.cpu_quota, record.cpu_quota);
    restore(touched.cpu_period, record.cpu_period);
    restore(touched.block_weight, record.block_weight);
    if (!changes.cpuset_cpus.empty()) touched.cpuset_cpus = record.cpuset_cpus;
    if (!changes.cpuset_mems.empty()) touched.cpuset_mems = record.cpuset_mems;
    if (changes.memory_swappiness) touched.memory_swappiness = record.memory_swappiness;
    if (changes.oom_kill_disable) touched.oom_kill_disable = record.oom_kill_disable.value_or(false);
    if (changes.pids_limit) touched.pids_limit = record.pids_limit.value_or(-1);
    auto plan = TRY(plan_update(touched, record));
    if (changes.memory != 0 && record.memory == 0) plan.memory_limit = -1;
    if ((changes.memory != 0 || changes.memory_swap != 0) && record.memory == 0 && record.memory_swap == 0)
        plan.memory_swap = -1;
    if (changes.memory_reservation != 0 && record.memory_reservation == 0) plan.memory_reservation = -1;
    if (changes.cpu_shares != 0 && record.cpu_shares == 0) plan.cpu_shares = 1024;
    bool unbound = record.nano_cpus == 0 && record.cpu_quota == 0;
    if ((changes.nano_cpus != 0 || changes.cpu_quota != 0) && unbound) plan.cpu_quota_us = -1;
    return plan;
}

static bool says_something(const json::value& value) {
    if (value.is_null()) return false;
    if (const auto* text = value.if_string()) return !text->empty();
    if (const auto* list = value.if_array()) return !list->empty();
    return value != 0;
}

static Error conflicting(const char* text) {
    return Error(Errc::Conflict, std::string("Conflicting options: ") + text);
}

static Result<void> check_against(const Resources& now, const Resources& wanted) {
    if (wanted.nano_cpus > 0 && now.cpu_period > 0)
        return conflicting("Nano CPUs cannot be updated as CPU Period has already been set");
    if (wanted.nano_cpus > 0 && now.cpu_quota > 0)
        return conflicting("Nano CPUs cannot be updated as CPU Quota has already been set");
    if (wanted.cpu_quota > 0 && now.nano_cpus > 0)
        return conflicting("CPU Quota cannot be updated as NanoCPUs has already been set");
    if (wanted.cpu_period > 0 && now.nano_cpus > 0)
        return conflicting("CPU Period cannot be updated as NanoCPUs has already been set");
    // Unlike Docker, unlimited swap (-1) is no obstacle.
    if (wanted.memory > 0 && wanted.memory_swap == 0 && now.memory_swap >= 0 && wanted.memory > now.memory_swap)
        return Error(Errc::Conflict,
                     "Memory limit should be smaller than already set memoryswap limit, update the "
                     "memoryswap at the same time");
    return {};
}

Result<void> merge_update(json::object& host_config, const json::object& changes) {
    JsonReader now_reader(host_config), wanted_reader(changes);
    auto now = read_resources(now_reader), wanted = read_resources(wanted_reader);
    TRY(now_reader.check());
    TRY(wanted_reader.check());
    TRY(check_against(now, wanted));
    for (auto key : {"CpuShares", "Memory", "NanoCpus", "BlkioWeight", "BlkioWeightDevice", "BlkioDeviceReadBps",
                     "BlkioDeviceWriteBps", "BlkioDeviceReadIOps", "BlkioDeviceWriteIOps", "CpuPeriod", "CpuQuota",
                     "CpuRealtimePeriod", "CpuRealtimeRuntime", "CpusetCpus", "CpusetMems", "MemoryReservation",
                     "MemorySwap", "MemorySwappiness", "OomKillDisable"})
        if (const auto* value = changes.if_contains(key); value && says_something(*value)) host_config[key] = *value;
    if (wanted.pids_limit) host_config["PidsLimit"] = std::max<std::int64_t>(0, *wanted.pids_limit);
    const auto* policy = wanted_reader.object("RestartPolicy");
    if (!policy) return {};
    JsonReader restart(*policy, "RestartPolicy");
    auto name = restart.text("Name");
    auto retries = restart.integer("MaximumRetryCount");
    TRY(restart.check());
    if (name.empty()) return {};
    if (name != "no" && now_reader.boolean("AutoRemove"))
        return Error(Errc::Conflict,
                     "Restart policy cannot be updated because AutoRemove is enabled for the container");
    host_config["RestartPolicy"] = {{"Name", name}, {"MaximumRetryCount", retries}};
    return {};
}

}  // namespace pila::engine
