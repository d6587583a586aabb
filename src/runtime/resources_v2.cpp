// SPDX-License-Identifier: Apache-2.0
// The scales of cgroup v1, which the OCI specification and Docker's API have, onto those of v2 as runc and crun do it.
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "runtime/limit_writer_internal.h"

namespace pila::runtime {

static std::string number_or_max(std::int64_t value) { return value < 0 ? "max" : std::to_string(value); }

static Result<void> check_memory(const LimitWriter& writer, const ResourcePlan& resources) {
    if (!resources.memory_checked || resources.memory_limit.value_or(-1) <= 0) return {};
    auto text = TRY(writer.cgroup().read("memory", "memory.current"));
    auto used = parse_int(trim(text)).value_or(0);
    if (used <= *resources.memory_limit) return {};
    return Error(Errc::Conflict,
                 fmt::format("unable to set memory limit to {} (current usage: {})", *resources.memory_limit, used));
}

// None: no limit, or no such file.
static std::optional<std::int64_t> limit_now(const LimitWriter& writer, const char* file) {
    auto text = writer.cgroup().read("memory", file);
    return text ? parse_int(trim(*text)) : std::nullopt;
}

// The plan counts swap as v1 does, memory included; v2 counts it alone.
static Result<std::int64_t> swap_alone(const LimitWriter& writer, const ResourcePlan& resources) {
    auto sum = *resources.memory_swap;
    if (sum <= 0) return sum;
    auto limit = resources.memory_limit ? resources.memory_limit : limit_now(writer, "memory.max");
    if (limit.value_or(-1) <= 0) return Error(Errc::Invalid, "limit swap: needs a limit of the memory as well");
    if (sum < *limit)
        return Error(Errc::Invalid,
                     fmt::format("limit memory and swap to {}: is below the memory's limit, {}", sum, *limit));
    return sum - *limit;
}

static Result<void> set_memory(LimitWriter& writer, const ResourcePlan& resources) {
    TRY(check_memory(writer, resources));
    if (resources.memory_swap) {
        auto swap = TRY(swap_alone(writer, resources));
        auto written = writer.set("memory", "memory.swap.max", number_or_max(swap));
        // No such file: the kernel does not account swap, then there is nothing to limit.
        if (!written && written.error().code() != Errc::NotFound) return written;
    }
    if (resources.memory_limit) TRY(writer.set("memory", "memory.max", number_or_max(*resources.memory_limit)));
    if (resources.memory_reservation)
        TRY(writer.set("memory", "memory.low", number_or_max(*resources.memory_reservation)));
    return {};
}

std::uint64_t weight_of_shares(std::uint64_t shares) {
    shares = std::clamp<std::uint64_t>(shares, 2, 262144);
    return 1 + (shares - 2) * 9999 / 262142;
}

static Result<void> set_cpu(LimitWriter& writer, const ResourcePlan& resources) {
    if (resources.cpu_realtime_runtime_us.value_or(0) != 0 || resources.cpu_realtime_period_us.value_or(0) != 0)
        return Error(Errc::Unsupported, "limit real-time scheduling: cgroup v2 has no such limit");
    if (resources.cpu_shares.value_or(0) != 0)
        TRY(writer.set("cpu", "cpu.weight", std::to_string(weight_of_shares(*resources.cpu_shares))));
    if (resources.cpu_quota_us.value_or(0) != 0 || resources.cpu_period_us.value_or(0) != 0) {
        auto quota = resources.cpu_quota_us.value_or(-1);
        TRY(writer.set("cpu", "cpu.max",
                       fmt::format("{} {}", quota <= 0 ? "max" : std::to_string(quota),
                                   resources.cpu_period_us.value_or(0) == 0 ? 100000 : *resources.cpu_period_us)));
    }
    if (resources.cpu_burst_us) TRY(writer.set("cpu", "cpu.max.burst", std::to_string(*resources.cpu_burst_us)));
    if (resources.cpu_idle) TRY(writer.set("cpu", "cpu.idle", std::to_string(*resources.cpu_idle)));
    if (!resources.cpuset_cpus.empty()) TRY(writer.set("cpuset", "cpuset.cpus", resources.cpuset_cpus));
    if (!resources.cpuset_mems.empty()) TRY(writer.set("cpuset", "cpuset.mems", resources.cpuset_mems));
    return {};
}

// 10..1000 onto 1..10000; BFQ keeps the scale of v1.
static std::uint64_t weight_v2(std::uint64_t weight, bool bfq) {
    return bfq || weight < 10 ? weight : 1 + (weight - 10) * 9999 / 990;
}

static Result<void> set_block(LimitWriter& writer, const ResourcePlan& resources) {
    if (resources.block_weight.value_or(0) != 0 || !resources.block_weight_devices.empty()) {
        bool bfq = writer.has("io", "io.bfq.weight");
        std::string file = bfq ? "io.bfq.weight" : "io.weight";
        if (resources.block_weight.value_or(0) != 0)
            TRY(writer.set("io", file, fmt::format("default {}", weight_v2(*resources.block_weight, bfq))));
        for (const auto& device : resources.block_weight_devices)
            TRY(writer.set_device("io", file, device, std::to_string(weight_v2(device.value, bfq)), "default"));
    }
    for (auto [key, devices] :
         {std::pair{"rbps", &resources.read_bytes_devices}, std::pair{"wbps", &resources.write_bytes_devices},
          std::pair{"riops", &resources.read_operations_devices},
          std::pair{"wiops", &resources.write_operations_devices}})
        for (const auto& device : *devices) {
            auto value = fmt::format("{}={}", key, device.value == 0 ? "max" : std::to_string(device.value));
            TRY(writer.set_device("io", "io.max", device, value, "rbps=max wbps=max riops=max wiops=max"));
        }
    return {};
}

Result<void> set_limits_v2(LimitWriter& writer, const ResourcePlan& resources) {
    TRY(set_memory(writer, resources));
    TRY(set_cpu(writer, resources));
    TRY(set_block(writer, resources));
    for (const auto& pages : resources.huge_pages) {
        TRY(writer.set("hugetlb", "hugetlb." + pages.size + ".max", std::to_string(pages.limit)));
        if (auto reserved = "hugetlb." + pages.size + ".rsvd.max"; writer.has("hugetlb", reserved))
            TRY(writer.set("hugetlb", reserved, std::to_string(pages.limit)));
    }
    for (const auto& device : resources.rdma) TRY(set_rdma(writer, device));
    if (resources.network_class || !resources.network_priorities.empty())
        return Error(Errc::Unsupported, "set the network class or priority: cgroup v2 has none");
    for (const auto& [file, value] : resources.unified) TRY(writer.set("", file, value));
    return {};
}

}  // namespace pila::runtime
