// SPDX-License-Identifier: Apache-2.0
#include "engine/sample.h"

#include <sys/sysinfo.h>
#include <unistd.h>
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::engine {

static constexpr std::size_t max_file_bytes = 4U << 20;

Moment read_moment() {
    Moment moment;
    moment.now = now_wall();
    if (auto text = os::read_file("/proc/stat", max_file_bytes)) moment.system_nanoseconds = parse_system_time(*text);
    struct sysinfo machine {};
    ::sysinfo(&machine);
    moment.memory_bytes = static_cast<std::uint64_t>(machine.totalram) * machine.mem_unit;
    return moment;
}

namespace {

class Reader {
public:
    explicit Reader(const os::Cgroup& group) : group_(group) {}

    std::string text(std::string_view controller, const std::string& file) const {
        return group_.read(controller, file).value_or("");
    }
    // nullopt: not there, or "max".
    std::optional<std::uint64_t> number(std::string_view controller, const std::string& file) const {
        auto read = text(controller, file);
        return parse_uint(trim(read));
    }

private:
    const os::Cgroup& group_;
};

std::uint64_t value_of(const std::vector<std::pair<std::string, std::uint64_t>>& table, std::string_view key) {
    for (const auto& [name, value] : table)
        if (name == key) return value;
    return 0;
}

void read_v1(const Reader& reader, Sample& sample) {
    static const auto tick = 1'000'000'000 / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    sample.processor = reader.number("cpuacct", "cpuacct.usage").value_or(0);
    auto per_processor = reader.text("cpuacct", "cpuacct.usage_percpu");
    for (auto word : split(trim(per_processor), ' '))
        if (auto value = parse_uint(word)) sample.per_processor.push_back(*value);
    auto ticks = parse_keyed(reader.text("cpuacct", "cpuacct.stat"));
    sample.processor_kernel = value_of(ticks, "system") * tick;
    sample.processor_user = value_of(ticks, "user") * tick;
    auto bandwidth = parse_keyed(reader.text("cpu", "cpu.stat"));
    sample.periods = value_of(bandwidth, "nr_periods");
    sample.throttled_periods = value_of(bandwidth, "nr_throttled");
    sample.throttled = value_of(bandwidth, "throttled_time");
    sample.memory = reader.number("memory", "memory.usage_in_bytes").value_or(0);
    sample.memory_peak = reader.number("memory", "memory.max_usage_in_bytes").value_or(0);
    sample.memory_failures = reader.number("memory", "memory.failcnt").value_or(0);
    sample.memory_limit = reader.number("memory", "memory.limit_in_bytes").value_or(0);
    sample.block_bytes = parse_block_v1(reader.text("blkio", "blkio.throttle.io_service_bytes_recursive"));
    sample.block_operations = parse_block_v1(reader.text("blkio", "blkio.throttle.io_serviced_recursive"));
}

void read_v2(const Reader& reader, Sample& sample) {
    auto processor = parse_keyed(reader.text("cpu", "cpu.stat"));
    sample.processor = value_of(processor, "usage_usec") * 1000;
    sample.processor_kernel = value_of(processor, "system_usec") * 1000;
    sample.processor_user = value_of(processor, "user_usec") * 1000;
    sample.periods = value_of(processor, "nr_periods");
    sample.throttled_periods = value_of(processor, "nr_throttled");
    sample.throttled = value_of(processor, "throttled_usec") * 1000;
    sample.memory = reader.number("memory", "memory.current").value_or(0);
    sample.memory_limit = reader.number("memory", "memory.max").value_or(0);
    sample.memory_failures = value_of(parse_keyed(reader.text("memory", "memory.events")), "oom");
    std::tie(sample.block_bytes, sample.block_operations) = parse_block_v2(reader.text("io", "io.stat"));
}

}  // namespace

Sample take_sample(const os::Cgroup& group, pid_t network_of, const Moment& moment) {
    Sample sample;
    sample.read = moment.now;
    sample.system = moment.system_nanoseconds;
    sample.mode = group.mode();
    Reader reader(group);
    if (group.mode() == os::CgroupMode::V1) read_v1(reader, sample);
    if (group.mode() == os::CgroupMode::V2) read_v2(reader, sample);
    if (group.valid()) {
        sample.memory_details = parse_keyed(reader.text("memory", "memory.stat"));
        sample.processes = reader.number("pids", "pids.current").value_or(0);
        sample.processes_limit = reader.number("pids", "pids.max");
    }
    if (sample.memory_limit == 0 || sample.memory_limit > moment.memory_bytes)
        sample.memory_limit = moment.memory_bytes;
    if (network_of > 0)
        if (auto text = os::read_file(fmt::format("/proc/{}/net/dev", network_of), max_file_bytes))
            sample.interfaces = parse_interfaces(*text);
    return sample;
}

}  // namespace pila::engine
