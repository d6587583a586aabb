// SPDX-License-Identifier: Apache-2.0
// What limits may be asked for: dockerd's rules, in its words, since people and programs search for them.
#include <algorithm>

#include <fmt/core.h>

#include "base/json_reader.h"
#include "base/text.h"
#include "engine/resources.h"

namespace pila::engine {

static constexpr std::int64_t least_memory = 6 << 20;
static constexpr unsigned most_cpus = 8192;

std::optional<std::vector<unsigned>> parse_number_list(std::string_view text) {
    std::vector<unsigned> numbers;
    for (auto part : split(trim(text), ',')) {
        auto dash = part.find('-');
        auto first = parse_uint(part.substr(0, dash));
        auto last = dash == std::string_view::npos ? first : parse_uint(part.substr(dash + 1));
        if (!first || !last || *last < *first || *last > most_cpus) return std::nullopt;
        for (auto number = *first; number <= *last; ++number) numbers.push_back(static_cast<unsigned>(number));
    }
    return numbers;
}

namespace {

class Check {
public:
    Check(json::object& body, Resources asked, const HostLimits& host, LimitsFor what)
        : body_(body), asked_(std::move(asked)), host_(host), what_(what) {}

    Result<void> run() {
        TRY(memory());
        TRY(memory_habits());
        pids();
        TRY(cpu());
        TRY(real_time());
        TRY(cpu_sets());
        return block();
    }
    std::vector<std::string> warnings;

private:
    static Error invalid(std::string text) { return Error(Errc::Invalid, std::move(text)); }
    // Null is what was never asked for.
    void discard(std::initializer_list<const char*> keys, std::string warning) {
        for (const auto* key : keys) body_[key] = nullptr;
        warnings.push_back(std::move(warning));
    }

    Result<void> memory() {
        auto& a = asked_;
        if (a.memory != 0 && a.memory < least_memory) return invalid("Minimum memory limit allowed is 6MB");
        if (a.memory > 0 && !host_.memory) {
            discard({"Memory", "MemorySwap"},
                    "Your kernel does not support memory limit capabilities or the cgroup is "
                    "not mounted. Limitation discarded.");
            a.memory = a.memory_swap = 0;
        }
        if (a.memory > 0 && a.memory_swap != -1 && !host_.swap) {
            warnings.emplace_back(
                "Your kernel does not support swap limit capabilities or the cgroup is not mounted. "
                "Memory limited without swap.");
            a.memory_swap = -1;
            body_["MemorySwap"] = -1;
        }
        if (a.memory > 0 && a.memory_swap > 0 && a.memory_swap < a.memory)
            return invalid("Minimum memoryswap limit should be larger than memory limit, see usage");
        if (a.memory == 0 && a.memory_swap > 0 && what_ == LimitsFor::Creation)
            return invalid("You should always set the Memory limit when using Memoryswap limit, see usage");
        if (a.memory > 0 && a.memory_swap == 0 && what_ == LimitsFor::Creation) body_["MemorySwap"] = a.memory * 2;
        return {};
    }

    Result<void> memory_habits() {
        auto& a = asked_;
        if (a.memory_swappiness && *a.memory_swappiness == -1) {  // old clients' "not set"
            body_["MemorySwappiness"] = nullptr;
        } else if (a.memory_swappiness && !host_.swappiness) {
            discard({"MemorySwappiness"},
                    "Your kernel does not support memory swappiness capabilities or the cgroup is "
                    "not mounted. Memory swappiness discarded.");
        } else if (a.memory_swappiness && (*a.memory_swappiness < 0 || *a.memory_swappiness > 100)) {
            return invalid(
                fmt::format("Invalid value: {}, valid memory swappiness range is 0-100", *a.memory_swappiness));
        }
        if (a.memory_reservation != 0 && !host_.reservation) {
            discard({"MemoryReservation"},
                    "Your kernel does not support memory soft limit capabilities or the cgroup "
                    "is not mounted. Limitation discarded.");
            a.memory_reservation = 0;
        }
        if (a.memory_reservation != 0 && a.memory_reservation < least_memory)
            return invalid("Minimum memory reservation allowed is 6MB");
        if (a.memory > 0 && a.memory_reservation > 0 && a.memory < a.memory_reservation)
            return invalid("Minimum memory limit can not be less than memory reservation limit, see usage");
        if (JsonReader(body_).integer("KernelMemory") != 0)
            discard({"KernelMemory"},
                    "Specifying a kernel memory limit is deprecated and will be removed in a future "
                    "release.");
        if (a.oom_kill_disable.value_or(false) && !host_.oom_kill_disable)
            discard({"OomKillDisable"}, "Your kernel does not support OomKillDisable. OomKillDisable discarded.");
        else if (a.oom_kill_disable.value_or(false) && a.memory == 0)
            warnings.emplace_back(
                "OOM killer is disabled for the container, but no memory limit is set, this can "
                "result in the system running out of resources.");
        return {};
    }

    void pids() {
        if (!asked_.pids_limit) return;
        if (*asked_.pids_limit > 0 && !host_.pids)
            discard({"PidsLimit"},
                    "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. "
                    "PIDs limit discarded.");
        else if (*asked_.pids_limit <= 0 && what_ == LimitsFor::Creation)
            body_["PidsLimit"] = nullptr;
    }

    Result<void> cpu() {
        const auto& a = asked_;
        if (a.nano_cpus > 0 && a.cpu_period > 0)
            return invalid("Conflicting options: Nano CPUs and CPU Period cannot both be set");
        if (a.nano_cpus > 0 && a.cpu_quota > 0)
            return invalid("Conflicting options: Nano CPUs and CPU Quota cannot both be set");
        if (a.nano_cpus > 0 && !host_.cpu_bandwidth)
            return invalid(
                "NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is "
                "not mounted");
        if (a.nano_cpus < 0 || a.nano_cpus > host_.cpus * 1'000'000'000LL)
            return invalid(fmt::format("Range of CPUs is from 0.01 to {}.00, as there are only {} CPUs available",
                                       host_.cpus, host_.cpus));
        if (a.cpu_shares < 0) return invalid(fmt::format("invalid CPU shares: {}", a.cpu_shares));
        if (a.cpu_shares > 0 && !host_.cpu_shares)
            discard({"CpuShares"},
                    "Your kernel does not support CPU shares or the cgroup is not mounted. Shares "
                    "discarded.");
        if ((a.cpu_period != 0 || a.cpu_quota != 0) && !host_.cpu_bandwidth) {
            discard({"CpuPeriod", "CpuQuota"},
                    "Your kernel does not support CPU CFS scheduler. CPU period/quota "
                    "discarded.");
            return {};
        }
        if (a.cpu_period != 0 && (a.cpu_period < 1000 || a.cpu_period > 1'000'000))
            return invalid("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
        if (a.cpu_quota > 0 && a.cpu_quota < 1000) return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)");
        if (JsonReader(body_).integer("CpuPercent") > 0)
            discard({"CpuPercent"}, "linux does not support CPU percent. Percent discarded.");
        return {};
    }

    Result<void> real_time() {
        const auto& a = asked_;
        if (a.cpu_realtime_period == 0 && a.cpu_realtime_runtime == 0) return {};
        if (!host_.cpu_realtime) return invalid("Your kernel does not support CPU real-time scheduler");
        if (a.cpu_realtime_period != 0 && a.cpu_realtime_runtime > a.cpu_realtime_period)
            return invalid("cpu real-time runtime cannot be higher than cpu real-time period");
        return {};
    }

    static Result<void> available(const std::string& asked, const std::string& present, const char* kind,
                                  const char* name) {
        if (asked.empty()) return {};
        auto numbers = parse_number_list(asked);
        if (!numbers)
            return invalid(fmt::format("Invalid value {} for cpuset {}: invalid format: {}", asked, kind, asked));
        auto there = parse_number_list(present).value_or(std::vector<unsigned>());
        for (auto number : *numbers)
            if (std::find(there.begin(), there.end(), number) == there.end())
                return invalid(
                    fmt::format("Requested {} are not available - requested {}, available: {}", name, asked, present));
        return {};
    }

    Result<void> cpu_sets() {
        if (asked_.cpuset_cpus.empty() && asked_.cpuset_mems.empty()) return {};
        if (!host_.cpuset) {
            discard({"CpusetCpus", "CpusetMems"},
                    "Your kernel does not support cpuset or the cgroup is not mounted. "
                    "Cpuset discarded.");
            return {};
        }
        TRY(available(asked_.cpuset_cpus, host_.available_cpus, "cpus", "CPUs"));
        return available(asked_.cpuset_mems, host_.available_memory_nodes, "mems", "memory nodes");
    }

    Result<void> block() {
        const auto& a = asked_;
        if (a.block_weight != 0 && !host_.block_weight)
            discard({"BlkioWeight"},
                    "Your kernel does not support Block I/O weight or the cgroup is not mounted. "
                    "Weight discarded.");
        else if (a.block_weight != 0 && (a.block_weight < 10 || a.block_weight > 1000))
            return invalid("Range of blkio weight is from 10 to 1000");
        if (!a.block_weight_devices.empty() && !host_.block_weight)
            discard({"BlkioWeightDevice"},
                    "Your kernel does not support Block I/O weight_device or the cgroup is not "
                    "mounted. Weight-device discarded.");
        auto throttle = [&](const char* key, const std::vector<BlockLimit>& limits, const char* kernel,
                            const char* what) {
            if (!limits.empty() && !host_.block_throttle)
                discard({key}, fmt::format("Your kernel does not support {} limit or the cgroup is not mounted. Block "
                                           "I/O {} limit discarded.",
                                           kernel, what));
        };
        throttle("BlkioDeviceReadBps", a.read_bytes_devices, "BPS Block I/O read", "BPS read");
        throttle("BlkioDeviceWriteBps", a.write_bytes_devices, "BPS Block I/O write", "BPS write");
        throttle("BlkioDeviceReadIOps", a.read_operations_devices, "IOPS Block read", "IOPS read");
        throttle("BlkioDeviceWriteIOps", a.write_operations_devices, "IOPS Block write", "IOPS write");
        JsonReader in(body_);
        for (auto [key, name] : {std::pair{"IOMaximumBandwidth", "bandwidth"}, std::pair{"IOMaximumIOps", "IOPS"}})
            if (in.integer(key) > 0)
                return invalid(
                    fmt::format("Invalid QoS settings: linux does not support configuration of maximum {}", name));
        return {};
    }

    json::object& body_;
    Resources asked_;
    const HostLimits& host_;
    const LimitsFor what_;
};

}  // namespace

Result<std::vector<std::string>> settle_resources(json::object& host_config, const HostLimits& host, LimitsFor what) {
    JsonReader in(host_config, what == LimitsFor::Creation ? "HostConfig" : "");
    auto asked = read_resources(in);
    auto adjustment = in.integer("OomScoreAdj"), shm_size = in.integer("ShmSize");
    TRY(in.check());
    Check check(host_config, std::move(asked), host, what);
    TRY(check.run());
    if (adjustment < -1000 || adjustment > 1000)
        return Error(Errc::Invalid,
                     fmt::format("Invalid value {}, range for oom score adj is [-1000, 1000]", adjustment));
    if (shm_size < 0) return Error(Errc::Invalid, "SHM size can not be less than 0");
    return std::move(check.warnings);
}

Result<void> check_restart_policy(const json::object& host_config) {
    JsonReader in(host_config);
    const auto* policy = in.object("RestartPolicy");
    TRY(in.check());
    if (!policy) return {};
    JsonReader restart(*policy, "RestartPolicy");
    auto name = restart.text("Name");
    auto retries = restart.integer("MaximumRetryCount");
    TRY(restart.check());
    if (name.empty() || name == "on-failure") {
        if (retries < 0) return Error(Errc::Invalid, "maximum retry count cannot be negative");
        return {};
    }
    if (name != "no" && name != "always" && name != "unless-stopped")
        return Error(Errc::Invalid, fmt::format("invalid restart policy '{}'", name));
    if (retries != 0)
        return Error(Errc::Invalid, fmt::format("maximum retry count cannot be used with restart policy '{}'", name));
    return {};
}

}  // namespace pila::engine
