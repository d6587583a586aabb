// SPDX-License-Identifier: Apache-2.0
#include "engine/record.h"

#include <fmt/core.h>

#include "base/json_reader.h"

namespace pila::engine {

static constexpr std::int64_t record_version = 1;

static json::array array_of(const std::vector<std::string>& items) {
    json::array list;
    for (const auto& item : items) list.emplace_back(item);
    return list;
}

json::array mounts_record(const std::vector<VolumeMount>& mounts) {
    json::array volumes;
    for (const auto& volume : mounts) {
        volumes.push_back({{"type", volume.type},
                           {"name", volume.name},
                           {"source", volume.source},
                           {"destination", volume.destination},
                           {"driver", volume.driver},
                           {"mode", volume.mode},
                           {"propagation", volume.propagation},
                           {"writable", volume.writable},
                           {"recursive", volume.recursive},
                           {"recursive_ro", volume.recursive_read_only},
                           {"listed", volume.listed},
                           {"subpath", volume.subpath}});
    }
    return volumes;
}

std::vector<VolumeMount> read_mounts_record(const json::array& list) {
    std::vector<VolumeMount> volumes;
    for (const auto& item : list) {
        if (!item.is_object()) continue;
        JsonReader one(item.get_object());
        volumes.push_back({one.text("type"), one.text("name"), one.text("source"), one.text("destination"),
                           one.text("driver"), one.text("mode"), one.text("propagation"), one.boolean("writable"),
                           one.boolean("recursive", true), one.boolean("recursive_ro", true),
                           one.boolean("listed", true), one.text("subpath")});
    }
    return volumes;
}

std::string spec_record(const Container& container) {
    const auto& identity = container.identity();
    auto spec = container.spec();
    json::object record;
    record["version"] = record_version;
    record["name"] = container.name();
    record["created"] = identity.created.nanoseconds;
    record["image"] = identity.image_id.text();
    record["layers"] = array_of(identity.layers);
    record["config"] = spec->config_json;  // as text: read back only when needed
    record["host"] = spec->host_config_json;
    record["networking"] = spec->networking_json;
    record["volumes"] = mounts_record(container.volumes().list());
    if (identity.transient) record["transient"] = true;
    return to_json(record);
}

static Result<void> check_version(JsonReader& in) {
    auto version = in.integer("version");
    TRY(in.check());
    if (version != record_version)
        return Error(Errc::Unsupported, fmt::format("record version {} (this pila reads {})", version, record_version));
    return {};
}

Result<ContainerPointer> read_spec_record(const std::string& id, std::string_view text) {
    auto value = TRY(parse_json(text));
    if (!value.is_object()) return Error(Errc::Invalid, "container record is not an object");
    JsonReader in(value.get_object());
    TRY(check_version(in));
    ContainerIdentity identity{id, {in.integer("created")}, {}, in.strings("layers"), in.boolean("transient")};
    identity.image_id = TRY(image::Digest::parse(in.text("image")));
    auto spec = TRY(load_spec(in.text("config"), in.text("host"), in.text("networking")));
    std::vector<VolumeMount> volumes;
    if (const auto* list = in.array("volumes")) volumes = read_mounts_record(*list);
    TRY(in.check());
    return std::make_shared<Container>(std::move(identity), in.text("name"),
                                       std::make_shared<const ContainerSpec>(std::move(spec)), std::move(volumes));
}

std::string state_record(const ContainerState& state) {
    json::object record;
    record["version"] = record_version;
    record["status"] = static_cast<std::int64_t>(state.status);
    record["pid"] = state.pid;
    record["exit"] = state.exit_code;
    record["oom"] = state.oom_killed;
    record["stopped"] = state.stopped_by_user;
    record["error"] = state.error;
    record["started"] = state.started_at.nanoseconds;
    record["finished"] = state.finished_at.nanoseconds;
    record["restarts"] = state.restart_count;
    if (state.health.status != HealthStatus::None) {
        record["health"] = static_cast<std::int64_t>(state.health.status);
        record["failing"] = state.health.failing_streak;
    }
    json::array endpoints, ports;
    for (const auto& endpoint : state.endpoints) {
        endpoints.push_back({{"network", endpoint.network_id},
                             {"name", endpoint.network_name},
                             {"id", endpoint.endpoint_id},
                             {"ip", endpoint.ipv4},
                             {"gateway", endpoint.gateway},
                             {"mac", endpoint.mac_address},
                             {"prefix", endpoint.prefix_length},
                             {"ip6", endpoint.ipv6},
                             {"gateway6", endpoint.ipv6_gateway},
                             {"prefix6", endpoint.ipv6_prefix_length},
                             {"aliases", array_of(endpoint.aliases)},
                             {"names", array_of(endpoint.dns_names)},
                             {"interface", endpoint.interface}});
    }
    for (const auto& port : state.ports) {
        ports.push_back({{"protocol", port.protocol},
                         {"container", port.container_port},
                         {"host", port.host_port},
                         {"ip", port.host_ip}});
    }
    record["endpoints"] = std::move(endpoints);
    record["ports"] = std::move(ports);
    return to_json(record);
}

static network::Endpoint read_endpoint(const json::object& object) {
    JsonReader in(object);
    network::Endpoint endpoint;
    endpoint.network_id = in.text("network");
    endpoint.network_name = in.text("name");
    endpoint.endpoint_id = in.text("id");
    endpoint.ipv4 = in.text("ip");
    endpoint.gateway = in.text("gateway");
    endpoint.mac_address = in.text("mac");
    endpoint.prefix_length = static_cast<std::uint8_t>(in.integer("prefix"));
    endpoint.ipv6 = in.text("ip6");
    endpoint.ipv6_gateway = in.text("gateway6");
    endpoint.ipv6_prefix_length = static_cast<std::uint8_t>(in.integer("prefix6"));
    endpoint.aliases = in.strings("aliases");
    endpoint.dns_names = in.strings("names");
    endpoint.interface = in.text("interface");
    return endpoint;
}

Result<ContainerState> read_state_record(std::string_view text) {
    auto value = TRY(parse_json(text));
    if (!value.is_object()) return Error(Errc::Invalid, "state record is not an object");
    JsonReader in(value.get_object());
    TRY(check_version(in));
    ContainerState state;
    state.status = static_cast<Status>(in.integer("status"));
    state.pid = static_cast<pid_t>(in.integer("pid"));
    state.exit_code = static_cast<int>(in.integer("exit"));
    state.oom_killed = in.boolean("oom");
    state.stopped_by_user = in.boolean("stopped");
    state.error = in.text("error");
    state.started_at = {in.integer("started")};
    state.finished_at = {in.integer("finished")};
    state.restart_count = static_cast<int>(in.integer("restarts"));
    if (auto health = in.integer("health"); health > 0 && health <= static_cast<int>(HealthStatus::Unhealthy))
        state.health.status = static_cast<HealthStatus>(health);
    state.health.failing_streak = static_cast<int>(in.integer("failing"));
    if (const auto* endpoints = in.array("endpoints"))
        for (const auto& item : *endpoints)
            if (item.is_object()) state.endpoints.push_back(read_endpoint(item.get_object()));
    if (const auto* ports = in.array("ports"))
        for (const auto& item : *ports)
            if (item.is_object()) {
                JsonReader port(item.get_object());
                state.ports.push_back({port.text("protocol"), static_cast<std::uint16_t>(port.integer("container")),
                                       static_cast<std::uint16_t>(port.integer("host")), port.text("ip")});
            }
    TRY(in.check());
    return state;
}

}  // namespace pila::engine
