// SPDX-License-Identifier: Apache-2.0
// `events`: what a container uses, in the form that runc prints it.
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <cerrno>
#include <cstdio>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/go_values.h"
#include "base/json.h"
#include "base/text.h"
#include "os/file.h"
#include "runtime/container_record_internal.h"
#include "runtime/options_internal.h"
#include "runtime/verbs_internal.h"

namespace pila::runtime {

namespace {

using os::Cgroup;

std::uint64_t number_in(const Cgroup& cgroup, const char* controller, const char* file) {
    auto text = cgroup.read(controller, file);
    return text ? parse_uint(trim(*text)).value_or(trim(*text) == "max" ? UINT64_MAX : 0) : 0;
}

// A file of lines "key value".
json::object pairs_in(const Cgroup& cgroup, const char* controller, const char* file) {
    json::object pairs;
    auto text = cgroup.read(controller, file);
    if (!text) return pairs;
    for (auto line : split(*text, '\n')) {
        auto blank = line.find(' ');
        auto value = blank == std::string_view::npos ? std::nullopt : parse_uint(line.substr(blank + 1));
        if (value) pairs[json::string_view(line.data(), blank)] = *value;
    }
    return pairs;
}

std::uint64_t value_of(const json::object& pairs, const char* key) {
    const auto* value = pairs.if_contains(key);
    return value ? value->to_number<std::uint64_t>() : 0;
}

json::object cpu_v1(const Cgroup& cgroup) {
    json::array each;
    auto text = cgroup.read("cpuacct", "cpuacct.usage_percpu");
    for (auto word : split(text ? trim(*text) : "", ' '))
        if (auto value = parse_uint(word)) each.emplace_back(*value);
    auto throttling = pairs_in(cgroup, "cpu", "cpu.stat");
    auto split_time = pairs_in(cgroup, "cpuacct", "cpuacct.stat");
    constexpr std::uint64_t tick = 10'000'000;  // USER_HZ is 100 wherever Linux runs
    return {{"usage", json::object{{"total", number_in(cgroup, "cpuacct", "cpuacct.usage")},
                                   {"percpu", std::move(each)},
                                   {"kernel", value_of(split_time, "system") * tick},
                                   {"user", value_of(split_time, "user") * tick}}},
            {"throttling", json::object{{"periods", value_of(throttling, "nr_periods")},
                                        {"throttledPeriods", value_of(throttling, "nr_throttled")},
                                        {"throttledTime", value_of(throttling, "throttled_time")}}}};
}

json::object cpu_v2(const Cgroup& cgroup) {
    auto stat = pairs_in(cgroup, "", "cpu.stat");
    return {{"usage", json::object{{"total", value_of(stat, "usage_usec") * 1000},
                                   {"kernel", value_of(stat, "system_usec") * 1000},
                                   {"user", value_of(stat, "user_usec") * 1000}}},
            {"throttling", json::object{{"periods", value_of(stat, "nr_periods")},
                                        {"throttledPeriods", value_of(stat, "nr_throttled")},
                                        {"throttledTime", value_of(stat, "throttled_usec") * 1000}}}};
}

json::object memory_entry_v1(const Cgroup& cgroup, const std::string& prefix) {
    auto read = [&](const char* name) { return number_in(cgroup, "memory", (prefix + name).c_str()); };
    return {{"limit", read(".limit_in_bytes")},
            {"usage", read(".usage_in_bytes")},
            {"max", read(".max_usage_in_bytes")},
            {"failcnt", read(".failcnt")}};
}

json::object memory_of(const Cgroup& cgroup) {
    auto raw = pairs_in(cgroup, "memory", "memory.stat");
    if (cgroup.mode() == os::CgroupMode::V1) {
        auto cache = value_of(raw, "cache");
        return {{"cache", cache},
                {"usage", memory_entry_v1(cgroup, "memory")},
                {"swap", memory_entry_v1(cgroup, "memory.memsw")},
                {"kernel", memory_entry_v1(cgroup, "memory.kmem")},
                {"raw", std::move(raw)}};
    }
    auto cache = value_of(raw, "file");
    auto entry = [&](const char* limit, const char* usage, const char* most) {
        return json::object{{"limit", number_in(cgroup, "", limit)},
                            {"usage", number_in(cgroup, "", usage)},
                            {"max", number_in(cgroup, "", most)},
                            {"failcnt", 0}};
    };
    return {{"cache", cache},
            {"usage", entry("memory.max", "memory.current", "memory.peak")},
            {"swap", entry("memory.swap.max", "memory.swap.current", "memory.swap.peak")},
            {"raw", std::move(raw)}};
}

json::object block_entry(std::uint64_t major, std::uint64_t minor, std::string_view operation, std::uint64_t value) {
    return {{"major", major},
            {"minor", minor},
            {"op", json::string_view(operation.data(), operation.size())},
            {"value", value}};
}

// v1: "8:0 Read 4096"
json::array block_v1(const Cgroup& cgroup, const char* file) {
    json::array entries;
    auto text = cgroup.read("blkio", file);
    for (auto line : split(text ? std::string_view(*text) : "", '\n')) {
        auto words = split(line, ' ');
        auto device = split(words.front(), ':');
        if (words.size() != 3 || device.size() != 2) continue;
        auto major = parse_uint(device[0]), minor = parse_uint(device[1]), value = parse_uint(words[2]);
        if (major && minor && value) entries.push_back(block_entry(*major, *minor, words[1], *value));
    }
    return entries;
}

// v2: "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6"
void block_v2(const Cgroup& cgroup, json::array& bytes, json::array& operations) {
    auto text = cgroup.read("", "io.stat");
    for (auto line : split(text ? std::string_view(*text) : "", '\n')) {
        auto words = split(line, ' ');
        auto device = split(words.front(), ':');
        auto major = parse_uint(device[0]), minor = device.size() == 2 ? parse_uint(device[1]) : std::nullopt;
        if (!major || !minor) continue;
        for (auto word : words) {
            auto equals = word.find('=');
            auto value = equals == std::string_view::npos ? std::nullopt : parse_uint(word.substr(equals + 1));
            if (!value) continue;
            auto name = word.substr(0, equals);
            auto operation = name[0] == 'r' ? "Read" : name[0] == 'w' ? "Write" : "Discard";
            auto entry = block_entry(*major, *minor, operation, *value);
            (name.ends_with("bytes") ? bytes : operations).push_back(std::move(entry));
        }
    }
}

json::object block_of(const Cgroup& cgroup) {
    json::array bytes, operations;
    if (cgroup.mode() == os::CgroupMode::V1) {
        bytes = block_v1(cgroup, "blkio.throttle.io_service_bytes_recursive");
        operations = block_v1(cgroup, "blkio.throttle.io_serviced_recursive");
    } else {
        block_v2(cgroup, bytes, operations);
    }
    return {{"ioServiceBytesRecursive", std::move(bytes)}, {"ioServicedRecursive", std::move(operations)}};
}

void print_stats(const Record& record, const Cgroup& cgroup) {
    bool v1 = cgroup.mode() == os::CgroupMode::V1;
    auto limit = number_in(cgroup, "pids", "pids.max");
    json::object data{{"cpu", v1 ? cpu_v1(cgroup) : cpu_v2(cgroup)},
                      {"memory", memory_of(cgroup)},
                      {"pids", json::object{{"current", number_in(cgroup, "pids", "pids.current")},
                                            {"limit", limit == UINT64_MAX ? 0 : limit}}},
                      {"blkio", block_of(cgroup)},
                      {"hugetlb", json::object{}},
                      {"intel_rdt", json::object{}},
                      {"network_interfaces", nullptr}};
    auto text = to_json(json::object{{"type", "stats"}, {"id", record.id}, {"data", std::move(data)}});
    std::puts(text.c_str());
    std::fflush(stdout);
}

// Becomes readable when memory was used up: an eventfd (v1) or an inotify watch (v2).
Result<Fd> watch_memory(const Cgroup& cgroup) {
    auto directory = cgroup.directory("memory");
    if (cgroup.mode() == os::CgroupMode::V2) {
        Fd watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
        if (!watch || ::inotify_add_watch(watch.get(), (directory + "/memory.events").c_str(), IN_MODIFY) < 0)
            return Error::from_errno(errno, "watch memory.events");
        return watch;
    }
    Fd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!event) return Error::from_errno(errno, "make an eventfd");
    auto control = TRY(os::open(directory + "/memory.oom_control", O_RDONLY));
    TRY(cgroup.write("memory", "cgroup.event_control", fmt::format("{} {}", event.get(), control.get())));
    return event;
}

Result<int> follow(const Record& record, const Cgroup& cgroup, int interval_ms) {
    auto process = TRY(open_process(record));
    auto memory = watch_memory(cgroup);
    auto kills = cgroup.oom_kills();
    for (;;) {
        pollfd waiting[2] = {{process.get(), POLLIN, 0}, {memory ? memory->get() : -1, POLLIN, 0}};
        int ready = ::poll(waiting, 2, interval_ms);
        if (ready < 0 && errno != EINTR) return Error::from_errno(errno, "wait for the container");
        if (waiting[0].revents != 0) return 0;
        if (waiting[1].revents != 0) {
            char bytes[4096];
            while (::read(waiting[1].fd, bytes, sizeof bytes) > 0) {
            }
            auto now = cgroup.oom_kills();
            if (now != kills || cgroup.mode() == os::CgroupMode::V1)
                std::puts(to_json(json::object{{"type", "oom"}, {"id", record.id}}).c_str());
            std::fflush(stdout);
            kills = now;
        }
        if (ready == 0) print_stats(record, cgroup);
    }
}

}  // namespace

Result<int> events_verb(const Invocation& call) {
    bool once = false;
    std::string interval = "5s";
    auto words = TRY(Options().flag("stats", once).text("interval", interval).parse_all(call.argc, call.argv));
    if (words.size() != 1) return Error(Errc::Invalid, "one container id is needed");
    auto nanoseconds = TRY(parse_go_duration(interval).in("option --interval"));
    if (nanoseconds < 1'000'000) return Error(Errc::Invalid, "option --interval: must be a millisecond at least");
    auto directory = TRY(ContainerDirectory::find(call.state_root, words[0]));
    auto record = TRY(directory.read());
    if (directory.status(record) == Status::Stopped) return Error(Errc::Conflict, "container not running");
    auto cgroup = TRY(cgroup_of(record));
    if (!cgroup.valid()) return Error(Errc::Unsupported, "the container has no cgroup that would tell its use");
    if (!once) return follow(record, cgroup, static_cast<int>(nanoseconds / 1'000'000));
    print_stats(record, cgroup);
    return 0;
}

}  // namespace pila::runtime
