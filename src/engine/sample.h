// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a container has used so far, read from its control group and its network. What the kernel does not tell stays
// zero; a container that is just ending may give a part only.

#include <sys/types.h>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "os/cgroup.h"

namespace pila::engine {

struct BlockCounter {
    std::uint64_t major = 0, minor = 0;
    std::string operation;  // "Read", ... in cgroup v1, "read" and "write" in v2
    std::uint64_t value = 0;
};

struct InterfaceCounters {
    std::string name;
    std::uint64_t received_bytes = 0, received_packets = 0, received_errors = 0, received_dropped = 0;
    std::uint64_t sent_bytes = 0, sent_packets = 0, sent_errors = 0, sent_dropped = 0;
};

struct Sample {
    WallTime read;  // never: of a container that does not run
    os::CgroupMode mode = os::CgroupMode::None;
    // Nanoseconds. `system`: of all processors, busy and idle.
    std::uint64_t processor = 0, processor_kernel = 0, processor_user = 0, system = 0;
    std::vector<std::uint64_t> per_processor;  // v1 only
    std::uint64_t periods = 0, throttled_periods = 0, throttled = 0;
    std::uint64_t memory = 0, memory_peak = 0, memory_failures = 0, memory_limit = 0;
    std::vector<std::pair<std::string, std::uint64_t>> memory_details;
    std::uint64_t processes = 0;
    std::optional<std::uint64_t> processes_limit;
    std::vector<BlockCounter> block_bytes, block_operations;
    std::vector<InterfaceCounters> interfaces;  // lo left out
};
using SamplePointer = std::shared_ptr<const Sample>;

// Facts of the machine that the samples of one moment share.
struct Moment {
    WallTime now;
    std::uint64_t system_nanoseconds = 0, memory_bytes = 0;
};
Moment read_moment();

// `network_of`: a process whose network namespace is the container's own; 0: it has none.
Sample take_sample(const os::Cgroup& group, pid_t network_of, const Moment& moment);

// The kernel's forms.
std::uint64_t parse_system_time(std::string_view proc_stat);                            // in nanoseconds
std::vector<std::pair<std::string, std::uint64_t>> parse_keyed(std::string_view text);  // "name 12\n..."
std::vector<InterfaceCounters> parse_interfaces(std::string_view proc_net_dev);
std::vector<BlockCounter> parse_block_v1(std::string_view text);  // "8:0 Read 4096\n...Total 4096"
// "8:0 rbytes=1 wbytes=2 rios=3 wios=4 ...": bytes and operations
std::pair<std::vector<BlockCounter>, std::vector<BlockCounter>> parse_block_v2(std::string_view text);

}  // namespace pila::engine
