// SPDX-License-Identifier: Apache-2.0
// `ps` and `update`.
#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include <fmt/core.h>

#include "base/go_values.h"
#include "base/text.h"
#include "os/file.h"
#include "os/spawn.h"
#include "runtime/container_record_internal.h"
#include "runtime/launch_internal.h"
#include "runtime/oci_internal.h"
#include "runtime/options_internal.h"
#include "runtime/systemd_scope_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

namespace {

Result<std::string> output_of_ps(const std::vector<std::string>& arguments) {
    Fd output(::memfd_create("ps", MFD_CLOEXEC));
    if (!output) return Error::from_errno(errno, "make a file in memory");
    os::Spawn what;
    what.argv = {"ps"};
    what.argv.insert(what.argv.end(), arguments.begin(), arguments.end());
    for (char** entry = environ; *entry; ++entry) what.environment.emplace_back(*entry);
    what.fds = {{output.get(), 1}, {2, 2}};
    for (const char* place : {"/bin/ps", "/usr/bin/ps"})
        if (os::exists(place)) what.exe = place;
    if (what.exe.empty()) return Error(Errc::NotFound, "ps: the machine has no such program");
    auto child = TRY(os::spawn(what));
    auto status = TRY(os::wait_child(child.pidfd));
    if (status.code != 0) return Error(Errc::Invalid, fmt::format("ps: exit status {}", status.code));
    if (::lseek(output.get(), 0, SEEK_SET) < 0) return Error::from_errno(errno, "rewind a file in memory");
    return os::read_all(output, 16U << 20);
}

std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    for (auto word : split(line, ' '))
        if (!word.empty()) words.push_back(word);
    return words;
}

// The head and the lines of these processes.
Result<void> print_lines(const std::string& text, const std::vector<pid_t>& members) {
    auto lines = split(text, '\n');
    auto head = words_of(lines.front());
    auto column = static_cast<std::size_t>(std::find(head.begin(), head.end(), "PID") - head.begin());
    if (column == head.size()) return Error(Errc::Invalid, "ps: its output has no column PID");
    for (const auto& line : lines) {
        auto words = words_of(line);
        if (words.size() <= column) continue;
        auto pid = parse_int(words[column]);
        if (&line == &lines.front() || (pid && std::find(members.begin(), members.end(), *pid) != members.end()))
            std::puts(std::string(line).c_str());
    }
    return {};
}

Result<Record> running_record(const Invocation& call, const std::string& id) {
    auto directory = TRY(ContainerDirectory::find(call.state_root, id));
    auto record = TRY(directory.read());
    if (directory.status(record) == Status::Stopped) return Error(Errc::Conflict, "container not running");
    return record;
}

// Sizes as Docker's command line writes them, -1: without limit.
Result<void> read_size(const std::string& text, const char* name, std::optional<std::int64_t>& into) {
    if (text.empty()) return {};
    into = text == "-1" ? -1 : TRY(parse_ram_size(text).in(fmt::format("option --{}", name)));
    return {};
}

struct UpdateOptions {
    std::string file, memory, reservation, swap, cpus, mems, cache_schema, bandwidth_schema;
    std::optional<std::int64_t> weight, period, quota, shares, realtime_period, realtime_runtime, burst, idle, pids;
    std::string id;
};

Result<UpdateOptions> parse_update(const Invocation& call) {
    UpdateOptions made;
    Options options;
    options.text("resources", made.file, 'r')
        .text("memory", made.memory)
        .text("memory-reservation", made.reservation)
        .text("memory-swap", made.swap)
        .text("cpuset-cpus", made.cpus)
        .text("cpuset-mems", made.mems)
        .text("l3-cache-schema", made.cache_schema)
        .text("mem-bw-schema", made.bandwidth_schema)
        .number("blkio-weight", made.weight)
        .number("cpu-period", made.period)
        .number("cpu-quota", made.quota)
        .number("cpu-share", made.shares)
        .number("cpu-shares", made.shares)
        .number("cpu-rt-period", made.realtime_period)
        .number("cpu-rt-runtime", made.realtime_runtime)
        .number("cpu-burst", made.burst)
        .number("cpu-idle", made.idle)
        .number("pids-limit", made.pids)
        .ignored("kernel-memory", true)
        .ignored("kernel-memory-tcp", true);
    auto words = TRY(options.parse_all(call.argc, call.argv));
    if (words.size() != 1) return Error(Errc::Invalid, "one container id is needed");
    if (!made.cache_schema.empty() || !made.bandwidth_schema.empty())
        return Error(Errc::Unsupported, "--l3-cache-schema, --mem-bw-schema: resctrl is not supported");
    made.id = words[0];
    return made;
}

Result<void> tell_systemd(const Record& record, const os::Cgroup& cgroup, const ResourcePlan& wanted) {
    auto told = wanted;
    // Counted without the memory's limit, which need not be among what is wanted.
    auto swap = cgroup.mode() == os::CgroupMode::V2 && wanted.memory_swap ? cgroup.read("memory", "memory.swap.max")
                                                                          : Result<std::string>(std::string());
    if (swap && !swap->empty()) told.unified.emplace_back("memory.swap.max", trim(*swap));
    TRY(update_scope(record.unit, told, cgroup.mode()));
    return update_resources(cgroup, wanted);  // it rounds some of them
}

Result<void> apply_options(const UpdateOptions& options, ResourcePlan& wanted) {
    TRY(read_size(options.memory, "memory", wanted.memory_limit));
    TRY(read_size(options.reservation, "memory-reservation", wanted.memory_reservation));
    TRY(read_size(options.swap, "memory-swap", wanted.memory_swap));
    auto number = [](const std::optional<std::int64_t>& from, auto& into, const char* name) -> Result<void> {
        if (!from) return {};
        if (*from < 0) return Error(Errc::Invalid, fmt::format("option --{}: must not be negative", name));
        into = static_cast<typename std::remove_reference_t<decltype(into)>::value_type>(*from);
        return {};
    };
    TRY(number(options.weight, wanted.block_weight, "blkio-weight"));
    TRY(number(options.period, wanted.cpu_period_us, "cpu-period"));
    TRY(number(options.shares, wanted.cpu_shares, "cpu-share"));
    TRY(number(options.realtime_period, wanted.cpu_realtime_period_us, "cpu-rt-period"));
    TRY(number(options.burst, wanted.cpu_burst_us, "cpu-burst"));
    if (options.quota) wanted.cpu_quota_us = options.quota;
    if (options.realtime_runtime) wanted.cpu_realtime_runtime_us = options.realtime_runtime;
    if (options.idle) wanted.cpu_idle = options.idle;
    if (options.pids) wanted.pids_limit = options.pids;
    if (!options.cpus.empty()) wanted.cpuset_cpus = options.cpus;
    if (!options.mems.empty()) wanted.cpuset_mems = options.mems;
    return {};
}

}  // namespace

Result<int> ps_verb(const Invocation& call) {
    std::string format = "table";
    int first = 0;
    TRY(Options().text("format", format, 'f').parse_front(call.argc, call.argv, first));
    if (format != "table" && format != "json") return Error(Errc::Invalid, "option --format: must be table or json");
    if (first >= call.argc) return Error(Errc::Invalid, "a container id is needed");
    auto record = TRY(running_record(call, call.argv[first]));
    auto cgroup = TRY(cgroup_of(record));
    if (!cgroup.valid()) return Error(Errc::Unsupported, "the container has no cgroup that would tell its processes");
    auto members = TRY(cgroup.processes());
    if (format == "json") {
        std::string text;
        for (pid_t pid : members) text += fmt::format("{}{}", text.empty() ? "" : ",", pid);
        std::printf("[%s]\n", text.c_str());
        return 0;
    }
    std::vector<std::string> arguments(call.argv + first + 1, call.argv + call.argc);
    if (arguments.empty()) arguments = {"-ef"};
    auto text = TRY(output_of_ps(arguments));
    TRY(print_lines(text, members));
    return 0;
}

Result<int> update_verb(const Invocation& call) {
    auto options = TRY(parse_update(call));
    auto record = TRY(running_record(call, options.id));
    ResourcePlan wanted;
    if (!options.file.empty()) {
        auto text = options.file == "-" ? os::read_all(FdView(0), 4U << 20) : os::read_file(options.file, 4U << 20);
        if (!text) return std::move(text).take_error().in("option --resources");
        wanted = TRY(oci::limits_of_json(*text));
    }
    TRY(apply_options(options, wanted));
    auto cgroup = TRY(cgroup_of(record));
    if (!cgroup.valid()) return Error(Errc::Unsupported, "the container has no cgroup to limit it with");
    TRY(update_resources(cgroup, wanted));
    if (!record.unit.empty()) TRY(tell_systemd(record, cgroup, wanted));
    return 0;
}

}  // namespace pila::runtime
