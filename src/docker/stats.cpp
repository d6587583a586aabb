// SPDX-License-Identifier: Apache-2.0
// What containers use: GET /containers/ID/stats.
#include <unistd.h>
#include <cstdint>

#include "docker/reply.h"
#include "engine/stats_hub.h"

namespace pila::docker {

using engine::Sample;

static json::value block_json(const Sample& sample, const std::vector<engine::BlockCounter>& counters) {
    if (sample.read.nanoseconds == 0) return nullptr;
    json::array list;
    for (const auto& counter : counters)
        list.push_back(
            {{"major", counter.major}, {"minor", counter.minor}, {"op", counter.operation}, {"value", counter.value}});
    return list;
}

static json::object processor_json(const Sample& sample) {
    json::object usage;
    usage["total_usage"] = sample.processor;
    if (!sample.per_processor.empty()) {
        json::array each;
        for (auto value : sample.per_processor) each.emplace_back(value);
        usage["percpu_usage"] = std::move(each);
    }
    usage["usage_in_kernelmode"] = sample.processor_kernel;
    usage["usage_in_usermode"] = sample.processor_user;
    json::object stats;
    stats["cpu_usage"] = std::move(usage);
    if (sample.system != 0) {
        stats["system_cpu_usage"] = sample.system;
        stats["online_cpus"] = sample.per_processor.empty() ? static_cast<std::size_t>(::sysconf(_SC_NPROCESSORS_ONLN))
                                                            : sample.per_processor.size();
    }
    stats["throttling_data"] = {{"periods", sample.periods},
                                {"throttled_periods", sample.throttled_periods},
                                {"throttled_time", sample.throttled}};
    return stats;
}

static json::object memory_json(const Sample& sample) {
    json::object memory;
    if (sample.read.nanoseconds == 0) return memory;
    memory["usage"] = sample.memory;
    if (sample.memory_peak != 0) memory["max_usage"] = sample.memory_peak;
    json::object details;
    for (const auto& [name, value] : sample.memory_details) details[name] = value;
    memory["stats"] = std::move(details);
    if (sample.memory_failures != 0) memory["failcnt"] = sample.memory_failures;
    memory["limit"] = sample.memory_limit;
    return memory;
}

static json::object processes_json(const Sample& sample) {
    json::object processes;
    if (sample.processes == 0) return processes;
    processes["current"] = sample.processes;
    // Unlimited is left out with cgroup v1 and the largest number with v2, as in dockerd.
    if (sample.processes_limit)
        processes["limit"] = *sample.processes_limit;
    else if (sample.mode == os::CgroupMode::V2)
        processes["limit"] = UINT64_MAX;
    return processes;
}

static json::object stats_json(const engine::Container& container, const Sample& now, const Sample& before) {
    json::object body;
    body["read"] = rfc3339_nano(now.read);
    body["preread"] = rfc3339_nano(before.read);
    body["pids_stats"] = processes_json(now);
    json::object block;
    block["io_service_bytes_recursive"] = block_json(now, now.block_bytes);
    // cgroup v2 has no numbers of operations in dockerd's answer either.
    block["io_serviced_recursive"] =
        now.mode == os::CgroupMode::V2 ? json::value(nullptr) : block_json(now, now.block_operations);
    for (auto key : {"io_queue_recursive", "io_service_time_recursive", "io_wait_time_recursive", "io_merged_recursive",
                     "io_time_recursive", "sectors_recursive"})
        block[key] = now.mode == os::CgroupMode::V2 ? json::value(nullptr) : block_json(now, {});
    body["blkio_stats"] = std::move(block);
    body["num_procs"] = 0;
    body["storage_stats"] = json::object{};
    body["cpu_stats"] = processor_json(now);
    body["precpu_stats"] = processor_json(before);
    body["memory_stats"] = memory_json(now);
    body["name"] = "/" + container.name();
    body["id"] = container.id();
    if (now.interfaces.empty()) return body;
    json::object networks;
    for (const auto& one : now.interfaces)
        networks[one.name] = {{"rx_bytes", one.received_bytes},   {"rx_packets", one.received_packets},
                              {"rx_errors", one.received_errors}, {"rx_dropped", one.received_dropped},
                              {"tx_bytes", one.sent_bytes},       {"tx_packets", one.sent_packets},
                              {"tx_errors", one.sent_errors},     {"tx_dropped", one.sent_dropped}};
    body["networks"] = std::move(networks);
    return body;
}

// Hands the samples of one container to one client, all of them or the second alone.
static void follow(engine::StatsHub& hub, const engine::ContainerPointer& container, bool all,
                   std::shared_ptr<http::Stream> stream) {
    engine::StatsHub::Watcher watcher;
    watcher.sink = [container, stream, all](const engine::SamplePointer& now, const engine::SamplePointer& before) {
        if (!all && !before) return true;  // the client wants to see what changes in a second
        if (stream->queued_bytes() > http::Stream::max_queued / 4) return true;  // it does not read: no use in more
        static const Sample nothing;
        auto line = to_json(stats_json(*container, *now, before ? *before : nothing)) + "\n";
        if (!stream->write(line)) return false;
        if (!all) stream->finish();
        return all;
    };
    watcher.gone = [stream] { stream->finish(); };
    auto key = hub.watch(container, std::move(watcher));
    stream->on_closed([&hub, key] { hub.unwatch(key); });
}

static Reply stats(Api& api, http::Request& request) {
    auto container = TRY(api.engine().find(request.parameters[0]));
    bool all = request.query.flag("stream", true), once = request.query.flag("one-shot");
    if (all && once) return Error(Errc::Invalid, "cannot have stream=true and one-shot=true");
    auto& hub = api.engine().stats();
    if (once || (!all && !container->state().is_running()))
        return json_response(200, stats_json(*container, *hub.sample(*container), {}));
    http::Response response;
    response.headers.set("Content-Type", "application/json");
    response.stream = [&hub, container, all](std::shared_ptr<http::Stream> stream) {
        follow(hub, container, all, std::move(stream));
    };
    return response;
}

static constexpr Route routes[] = {{"GET", "/containers/*/stats", stats}};

std::span<const Route> stats_routes() { return routes; }

}  // namespace pila::docker
