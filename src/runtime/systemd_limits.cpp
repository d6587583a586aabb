// SPDX-License-Identifier: Apache-2.0
#include "runtime/systemd_limits_internal.h"

#include <algorithm>

#include "base/text.h"
#include "runtime/limit_writer_internal.h"

namespace pila::runtime::systemd {

namespace {

constexpr std::uint64_t unlimited = UINT64_MAX;

std::uint64_t number(std::int64_t value) { return value < 0 ? unlimited : static_cast<std::uint64_t>(value); }

void put_bandwidth(Properties& put, std::int64_t quota, std::uint64_t period) {
    if (period == 0) period = 100000;
    put.limit("CPUQuotaPeriodUSec", period);
    if (quota < 0) return put.limit("CPUQuotaPerSecUSec", unlimited);
    // Rounded up to whole percents, as systemd keeps it.
    auto per_second = static_cast<std::uint64_t>(quota) * 1'000'000 / period;
    put.limit("CPUQuotaPerSecUSec", (per_second + 9999) / 10000 * 10000);
}

// Those that systemd writes as well; it leaves the others alone.
void put_unified(Properties& put, std::string_view file, std::string_view value) {
    static constexpr std::pair<std::string_view, std::string_view> names[] = {
        {"memory.max", "MemoryMax"}, {"memory.high", "MemoryHigh"},        {"memory.low", "MemoryLow"},
        {"memory.min", "MemoryMin"}, {"memory.swap.max", "MemorySwapMax"}, {"pids.max", "TasksMax"},
        {"cpu.weight", "CPUWeight"}};
    auto parsed = value == "max" ? std::optional(unlimited) : parse_uint(value);
    for (const auto& [known, property] : names)
        if (known == file && parsed) put.limit(property, *parsed);
    for (auto [known, property] :
         {std::pair{"cpuset.cpus", "AllowedCPUs"}, std::pair{"cpuset.mems", "AllowedMemoryNodes"}})
        if (auto bits = bits_of_list(value); known == file && !bits.empty()) put.bytes(property, bits);
    if (file != "cpu.max") return;
    auto words = split(value, ' ');
    auto quota = words[0] == "max" ? std::optional<std::int64_t>(-1) : parse_int(words[0]);
    auto period = words.size() > 1 ? parse_uint(words[1]) : std::optional<std::uint64_t>(0);
    if (quota && period) put_bandwidth(put, *quota, *period);
}

void put_memory(Properties& put, const ResourcePlan& limits, bool v2) {
    if (limits.memory_limit) put.limit(v2 ? "MemoryMax" : "MemoryLimit", number(*limits.memory_limit));
    if (!v2) return;
    if (limits.memory_reservation) put.limit("MemoryLow", number(*limits.memory_reservation));
    if (limits.memory_swap && *limits.memory_swap < 0) put.limit("MemorySwapMax", unlimited);
    if (limits.memory_swap.value_or(-1) > 0 && limits.memory_limit.value_or(-1) > 0 &&
        *limits.memory_swap >= *limits.memory_limit)
        put.limit("MemorySwapMax", number(*limits.memory_swap - *limits.memory_limit));
}

}  // namespace

std::vector<std::uint8_t> bits_of_list(std::string_view list) {
    std::vector<std::uint8_t> bits;
    constexpr std::uint64_t most = 8192;
    for (auto part : split(trim(list), ',')) {
        auto dash = part.find('-');
        auto first = parse_uint(trim(part.substr(0, dash)));
        auto last = dash == std::string_view::npos ? first : parse_uint(trim(part.substr(dash + 1)));
        if (!first || !last || *first > *last || *last >= most) return {};
        bits.resize(std::max<std::size_t>(bits.size(), *last / 8 + 1));
        for (auto bit = *first; bit <= *last; ++bit) bits[bit / 8] |= static_cast<std::uint8_t>(1U << (bit % 8));
    }
    return bits;
}

void put_limits(Properties& put, const ResourcePlan& limits, os::CgroupMode mode) {
    bool v2 = mode == os::CgroupMode::V2;
    put_memory(put, limits, v2);
    if (limits.pids_limit.value_or(0) != 0) put.limit("TasksMax", number(*limits.pids_limit));
    if (auto shares = limits.cpu_shares.value_or(0); shares != 0)
        put.limit(v2 ? "CPUWeight" : "CPUShares",
                  v2 ? weight_of_shares(shares) : std::clamp<std::uint64_t>(shares, 2, 262144));
    if (auto quota = limits.cpu_quota_us.value_or(0); quota != 0)
        put_bandwidth(put, quota, limits.cpu_period_us.value_or(0));
    if (!v2) return;
    if (auto bits = bits_of_list(limits.cpuset_cpus); !bits.empty()) put.bytes("AllowedCPUs", bits);
    if (auto bits = bits_of_list(limits.cpuset_mems); !bits.empty()) put.bytes("AllowedMemoryNodes", bits);
    for (const auto& [file, value] : limits.unified) put_unified(put, file, value);
}

}  // namespace pila::runtime::systemd
