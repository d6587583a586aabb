// SPDX-License-Identifier: Apache-2.0
// The "process" section of a bundle's config.json, which `exec --process` takes by itself.
#include <linux/ioprio.h>
#include <sched.h>
#include <sys/resource.h>
#include <algorithm>

#include "base/json.h"
#include "base/text.h"
#include "os/capability.h"
#include "runtime/oci_internal.h"
#include "runtime/oci_json_internal.h"

namespace pila::runtime::oci {

namespace {

constexpr struct {
    std::string_view name;
    int number;
} resource_limits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK}};

constexpr struct {
    std::string_view name;
    std::uint32_t number;
} scheduler_policies[] = {{"SCHED_OTHER", SCHED_OTHER}, {"SCHED_FIFO", SCHED_FIFO},
                          {"SCHED_RR", SCHED_RR},       {"SCHED_BATCH", SCHED_BATCH},
                          {"SCHED_IDLE", SCHED_IDLE},   {"SCHED_DEADLINE", 6 /* only in linux/sched.h */}};

constexpr struct {
    std::string_view name;
    std::uint64_t bit;
} scheduler_flags[] = {{"SCHED_FLAG_RESET_ON_FORK", 0x01}, {"SCHED_FLAG_RECLAIM", 0x02},
                       {"SCHED_FLAG_DL_OVERRUN", 0x04},    {"SCHED_FLAG_KEEP_POLICY", 0x08},
                       {"SCHED_FLAG_KEEP_PARAMS", 0x10},   {"SCHED_FLAG_UTIL_CLAMP_MIN", 0x20},
                       {"SCHED_FLAG_UTIL_CLAMP_MAX", 0x40}};

Result<std::uint64_t> capability_set(const json::object& object, std::string_view key) {
    std::uint64_t set = 0;
    auto names = TRY(texts_member(object, key));
    for (const auto& name : names) {
        auto number = os::capability_by_name(name);
        // Newer than this program or this kernel: the specification asks for a warning at most, it cannot be granted.
        if (number) set |= std::uint64_t{1} << *number;
    }
    return set;
}

Result<void> read_capabilities(const json::object& process, ProcessPlan& plan) {
    const auto* sets = TRY(object_member(process, "capabilities"));
    if (!sets) return {};
    plan.capabilities.bounding = TRY(capability_set(*sets, "bounding"));
    plan.capabilities.effective = TRY(capability_set(*sets, "effective"));
    plan.capabilities.permitted = TRY(capability_set(*sets, "permitted"));
    plan.capabilities.inheritable = TRY(capability_set(*sets, "inheritable"));
    plan.capabilities.ambient = TRY(capability_set(*sets, "ambient"));
    return {};
}

Result<void> read_rlimits(const json::object& process, ProcessPlan& plan) {
    const auto* limits = TRY(array_member(process, "rlimits"));
    for (const auto& value : *limits) {
        const auto* entry = TRY(element(value, "process.rlimits"));
        auto type = TRY(text_member(*entry, "type"));
        auto known = std::find_if(std::begin(resource_limits), std::end(resource_limits),
                                  [&](auto& limit) { return limit.name == type; });
        if (known == std::end(resource_limits))
            return Error(Errc::Invalid, "config.json: process.rlimits: unknown type " + printable(type));
        auto soft = TRY(number_member<std::uint64_t>(*entry, "soft")),
             hard = TRY(number_member<std::uint64_t>(*entry, "hard"));
        plan.rlimits.push_back({known->number, soft.value_or(0), hard.value_or(0)});
    }
    return {};
}

Result<void> read_user(const json::object& process, ProcessPlan& plan) {
    const auto* user = TRY(object_member(process, "user"));
    if (!user) return {};
    plan.uid = TRY(number_member<std::uint32_t>(*user, "uid")).value_or(0);
    plan.gid = TRY(number_member<std::uint32_t>(*user, "gid")).value_or(0);
    plan.umask = TRY(number_member<std::uint32_t>(*user, "umask"));
    const auto* groups = TRY(array_member(*user, "additionalGids"));
    for (const auto& group : *groups) {
        if (!group.is_int64() || group.get_int64() < 0 || group.get_int64() > UINT32_MAX)
            return wrong_type("process.user.additionalGids", "numbers");
        plan.additional_gids.push_back(static_cast<std::uint32_t>(group.get_int64()));
    }
    return {};
}

Result<void> read_scheduler(const json::object& process, ProcessPlan& plan) {
    const auto* section = TRY(object_member(process, "scheduler"));
    if (!section) return {};
    SchedulerPlan made;
    auto name = TRY(text_member(*section, "policy"));
    auto policy = std::find_if(std::begin(scheduler_policies), std::end(scheduler_policies),
                               [&](auto& known) { return known.name == name; });
    if (policy == std::end(scheduler_policies))
        return Error(Errc::Unsupported, "config.json: process.scheduler.policy: unknown: " + printable(name));
    made.policy = policy->number;
    made.nice = TRY(number_member<std::int32_t>(*section, "nice")).value_or(0);
    made.priority = TRY(number_member<std::uint32_t>(*section, "priority")).value_or(0);
    made.runtime = TRY(number_member<std::uint64_t>(*section, "runtime")).value_or(0);
    made.deadline = TRY(number_member<std::uint64_t>(*section, "deadline")).value_or(0);
    made.period = TRY(number_member<std::uint64_t>(*section, "period")).value_or(0);
    auto names = TRY(texts_member(*section, "flags"));
    for (const auto& flag : names) {
        auto known = std::find_if(std::begin(scheduler_flags), std::end(scheduler_flags),
                                  [&](auto& entry) { return entry.name == flag; });
        if (known == std::end(scheduler_flags))
            return Error(Errc::Unsupported, "config.json: process.scheduler.flags: unknown: " + printable(flag));
        made.flags |= known->bit;
    }
    if (made.nice < -20 || made.nice > 19) return wrong_type("process.scheduler.nice", "between -20 and 19");
    bool real_time = made.policy == SCHED_FIFO || made.policy == SCHED_RR, deadline = made.policy == 6;
    if (made.priority != 0 && !real_time)
        return Error(Errc::Invalid, "config.json: process.scheduler.priority: only with SCHED_FIFO and SCHED_RR");
    if (!deadline && (made.runtime != 0 || made.deadline != 0 || made.period != 0))
        return Error(Errc::Invalid,
                     "config.json: process.scheduler: runtime, deadline and period are only for SCHED_DEADLINE");
    plan.extras.scheduler = made;
    return {};
}

Result<void> read_io_priority(const json::object& process, ProcessPlan& plan) {
    const auto* section = TRY(object_member(process, "ioPriority"));
    if (!section) return {};
    auto name = TRY(text_member(*section, "class"));
    auto priority = TRY(number_member<int>(*section, "priority")).value_or(0);
    int kind = name == "IOPRIO_CLASS_RT"     ? IOPRIO_CLASS_RT
               : name == "IOPRIO_CLASS_BE"   ? IOPRIO_CLASS_BE
               : name == "IOPRIO_CLASS_IDLE" ? IOPRIO_CLASS_IDLE
                                             : -1;
    if (kind < 0) return Error(Errc::Invalid, "config.json: process.ioPriority.class: unknown: " + printable(name));
    if (priority < 0 || priority > 7) return wrong_type("process.ioPriority.priority", "between 0 and 7");
    plan.extras.io_priority = kind << IOPRIO_CLASS_SHIFT | priority;
    return {};
}

Result<void> read_cpus(const json::object& section, std::string_view key, std::vector<std::uint64_t>& into) {
    auto text = TRY(text_member(section, key));
    auto cpus = parse_cpu_list(text);
    if (!cpus)
        return Error(Errc::Invalid, fmt::format("config.json: process.execCPUAffinity.{}: \"{}\" is no list of "
                                                "processors",
                                                key, printable(text)));
    into = std::move(*cpus);
    return {};
}

}  // namespace

std::optional<std::vector<std::uint64_t>> parse_cpu_list(std::string_view text) {
    std::vector<std::uint64_t> cpus;
    if (trim(text).empty()) return cpus;
    for (auto part : split(trim(text), ',')) {
        part = trim(part);
        auto dash = part.find('-');
        auto first = parse_uint(part.substr(0, dash));
        auto last = dash == std::string_view::npos ? first : parse_uint(part.substr(dash + 1));
        if (!first || !last || *first > *last || *last >= 8192) return std::nullopt;
        cpus.resize(std::max<std::size_t>(cpus.size(), *last / 64 + 1));
        for (auto cpu = *first; cpu <= *last; ++cpu) cpus[cpu / 64] |= std::uint64_t{1} << (cpu % 64);
    }
    return cpus;
}

Result<void> read_process(const json::object& process, ProcessPlan& into) {
    into.args = TRY(texts_member(process, "args"));
    if (into.args.empty()) return Error(Errc::Invalid, "config.json: process.args: must not be empty");
    into.environment = TRY(texts_member(process, "env"));
    into.working_directory = TRY(text_member(process, "cwd"));
    into.terminal = TRY(flag_member(process, "terminal"));
    if (const auto* size = TRY(object_member(process, "consoleSize"))) {
        into.terminal_rows = TRY(number_member<std::uint16_t>(*size, "height")).value_or(0);
        into.terminal_columns = TRY(number_member<std::uint16_t>(*size, "width")).value_or(0);
    }
    into.no_new_privileges = TRY(flag_member(process, "noNewPrivileges"));
    into.apparmor_profile = TRY(text_member(process, "apparmorProfile"));
    into.selinux_label = TRY(text_member(process, "selinuxLabel"));
    into.oom_score_adj = TRY(number_member<int>(process, "oomScoreAdj"));
    into.keep_stdin_open = true;
    TRY(read_user(process, into));
    TRY(read_rlimits(process, into));
    TRY(read_scheduler(process, into));
    TRY(read_io_priority(process, into));
    if (const auto* affinity = TRY(object_member(process, "execCPUAffinity"))) {
        TRY(read_cpus(*affinity, "initial", into.extras.initial_cpus));
        TRY(read_cpus(*affinity, "final", into.extras.final_cpus));
    }
    return read_capabilities(process, into);
}

Result<ProcessPlan> process_of_json(std::string_view text, const ProcessPlan& container) {
    auto parsed = TRY(parse_json(text, {.max_bytes = 4U << 20}).in("process"));
    if (!parsed.is_object()) return Error(Errc::Invalid, "process: must be an object");
    const auto& object = parsed.get_object();
    ProcessPlan plan;
    plan.extras.initial_cpus = container.extras.initial_cpus;
    plan.extras.final_cpus = container.extras.final_cpus;
    TRY(read_process(object, plan));
    // What it does not say is as the container's, as with runc.
    if (!member(object, "capabilities")) plan.capabilities = container.capabilities;
    if (plan.rlimits.empty()) plan.rlimits = container.rlimits;
    if (plan.apparmor_profile.empty()) plan.apparmor_profile = container.apparmor_profile;
    if (plan.selinux_label.empty()) plan.selinux_label = container.selinux_label;
    if (!plan.oom_score_adj) plan.oom_score_adj = container.oom_score_adj;
    if (!plan.extras.scheduler) plan.extras.scheduler = container.extras.scheduler;
    if (!plan.extras.io_priority) plan.extras.io_priority = container.extras.io_priority;
    plan.extras.personality = container.extras.personality;
    plan.extras.seccomp_listener = container.extras.seccomp_listener;
    plan.seccomp_bpf = container.seccomp_bpf;
    plan.seccomp_flags = container.seccomp_flags;
    return plan;
}

}  // namespace pila::runtime::oci
