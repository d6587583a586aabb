// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "cli/container_options.h"
#include "cli/container_values.h"
#include "cli/json_helpers.h"
#include "cli/template.h"
#include "cli/verb.h"
#include "cli/verbs.h"

namespace pila::cli {

Result<json::object> update_body(const ContainerOptions& o, const Flags& flags) {
    json::object body;
    body["CpuShares"] = o.cpu_shares;
    body["Memory"] = o.memory;
    body["NanoCpus"] = o.nano_cpus;
    body["CgroupParent"] = "";
    body["BlkioWeight"] = o.blkio_weight;
    for (const char* key : {"BlkioWeightDevice", "BlkioDeviceReadBps", "BlkioDeviceWriteBps", "BlkioDeviceReadIOps",
                            "BlkioDeviceWriteIOps"})
        body[key] = nullptr;
    body["CpuPeriod"] = o.cpu_period;
    body["CpuQuota"] = o.cpu_quota;
    body["CpuRealtimePeriod"] = o.cpu_rt_period;
    body["CpuRealtimeRuntime"] = o.cpu_rt_runtime;
    body["CpusetCpus"] = o.cpuset_cpus;
    body["CpusetMems"] = o.cpuset_mems;
    for (const char* key : {"Devices", "DeviceCgroupRules", "DeviceRequests"}) body[key] = nullptr;
    if (o.kernel_memory != 0) body["KernelMemory"] = o.kernel_memory;
    body["MemoryReservation"] = o.memory_reservation;
    body["MemorySwap"] = o.memory_swap;
    body["MemorySwappiness"] = nullptr;
    body["OomKillDisable"] = nullptr;
    body["PidsLimit"] = flags.changed("pids-limit") ? json::value(o.pids_limit) : json::value(nullptr);
    body["Ulimits"] = nullptr;
    for (const char* key : {"CpuCount", "CpuPercent", "IOMaximumIOps", "IOMaximumBandwidth"}) body[key] = 0;
    auto restart =
        flags.changed("restart") ? TRY(parse_restart_policy(o.restart)) : std::pair<std::string, std::int64_t>();
    body["RestartPolicy"] = json::object{{"Name", restart.first}, {"MaximumRetryCount", restart.second}};
    return body;
}

void add_update_flags(Flags& flags, ContainerOptions& o) {
    flags.add(
        {{"blkio-weight", 0, unsigned_16(o.blkio_weight), "Block IO weight (10 to 1000; 0: default)", "uint16", "0"},
         {"cpu-period", 0, &o.cpu_period, "Period of the CPU bandwidth limit"},
         {"cpu-quota", 0, &o.cpu_quota, "Quota of the CPU bandwidth limit"},
         {"cpu-rt-period", 0, &o.cpu_rt_period, "Real-time period in microseconds"},
         {"cpu-rt-runtime", 0, &o.cpu_rt_runtime, "Real-time runtime in microseconds"},
         {"cpuset-cpus", 0, &o.cpuset_cpus, "CPUs to run on (0-3, 0,1)"},
         {"cpuset-mems", 0, &o.cpuset_mems, "Memory nodes to use (0-3, 0,1)"},
         {"cpu-shares", 'c', &o.cpu_shares, "CPU shares (relative weight)"},
         {"memory", 'm', ram_size(o.memory), "Memory limit", "bytes"},
         {"memory-reservation", 0, ram_size(o.memory_reservation), "Memory soft limit", "bytes"},
         {"memory-swap", 0, swap_size(o.memory_swap), "Memory and swap together; -1 for unlimited swap", "bytes"},
         {"kernel-memory", 0, ram_size(o.kernel_memory), "Kernel memory limit", "bytes", "", 0, true},
         {"restart", 0, &o.restart, "What to do when the container exits"},
         {"pids-limit", 0, &o.pids_limit, "Most processes in the container (-1: no limit)"},
         {"cpus", 0, cpu_number(o.nano_cpus), "Number of CPUs", "decimal"}});
}

int update_verb(Invocation& invocation) {
    ContainerOptions o;
    Flags flags(invocation, "[OPTIONS] CONTAINER [CONTAINER...]", "Update configuration of one or more containers");
    add_update_flags(flags, o);
    if (auto code = flags.parse({.least = 1})) return *code;
    bool any = false;
    for (const auto& flag : flags.all()) any |= flag.changed;
    if (!any) return fail("you must provide one or more flags when using this command");
    auto api = connect(invocation, flags);
    if (!api) return fail(api.error());
    auto body = update_body(o, flags);
    if (!body) return fail(body.error());
    auto json = compact_json(*body);
    std::vector<std::string> warnings, problems;
    for (const auto& name : flags.arguments()) {
        auto updated = (*api)->json(
            {.method = "POST", .path = fmt::format("/containers/{}/update", path_part(name)), .body = json});
        if (!updated) {
            problems.push_back(updated.error().message());
            continue;
        }
        fmt::print("{}\n", name);
        for (const auto& warning : items(*updated, "Warnings")) warnings.push_back(as_text(warning));
    }
    if (!warnings.empty()) fmt::print("{}\n", join(warnings, "\n"));
    return problems.empty() ? 0 : fail(join(problems, "\n"));
}

}  // namespace pila::cli
