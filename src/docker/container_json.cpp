// SPDX-License-Identifier: Apache-2.0
// Shapes of GET /containers/json and /containers/ID/json.
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "docker/reply.h"
#include "engine/plan_builder.h"

namespace pila::docker {

using engine::Container;
using engine::ContainerState;
using engine::HealthStatus;
using engine::Status;

// "Up 5 minutes (Paused)", "Exited (0) 2 hours ago": the texts of dockerd.
static std::string status_text(const ContainerState& state) {
    switch (state.status) {
        case Status::Created: return "Created";
        case Status::Running: {
            auto text = "Up " + go_duration_since(state.started_at);
            if (state.health.status == HealthStatus::Starting) return text + " (health: starting)";
            if (state.health.status == HealthStatus::None) return text;
            return fmt::format("{} ({})", text, engine::name_of(state.health.status));
        }
        case Status::Paused: return fmt::format("Up {} (Paused)", go_duration_since(state.started_at));
        case Status::Restarting:
            return fmt::format("Restarting ({}) {} ago", state.exit_code, go_duration_since(state.finished_at));
        case Status::Removing: return "Removal In Progress";
        case Status::Exited:
            return fmt::format("Exited ({}) {} ago", state.exit_code, go_duration_since(state.finished_at));
        case Status::Dead: return "Dead";
    }
    return "";
}

json::object endpoint_json(const network::Endpoint& endpoint) {
    json::object object;
    object["IPAMConfig"] = nullptr;
    object["Links"] = nullptr;
    object["Aliases"] = array_or_null(endpoint.aliases);
    object["MacAddress"] = endpoint.mac_address;
    object["DriverOpts"] = nullptr;
    object["GwPriority"] = 0;
    object["NetworkID"] = endpoint.network_id;
    object["EndpointID"] = endpoint.endpoint_id;
    object["Gateway"] = endpoint.gateway;
    object["IPAddress"] = endpoint.ipv4;
    object["IPPrefixLen"] = endpoint.prefix_length;
    object["IPv6Gateway"] = endpoint.ipv6_gateway;
    object["GlobalIPv6Address"] = endpoint.ipv6;
    object["GlobalIPv6PrefixLen"] = endpoint.ipv6_prefix_length;
    object["DNSNames"] = array_or_null(endpoint.dns_names);
    return object;
}

// Networks of a container that is not running come from its settings, without addresses.
static json::object networks_json(const Container& container, const ContainerState& state) {
    json::object networks;
    for (const auto& endpoint : state.endpoints) networks[endpoint.network_name] = endpoint_json(endpoint);
    if (!networks.empty()) return networks;
    auto spec = container.spec();
    if (spec->shares_network_of_container()) return networks;
    network::Endpoint empty;
    auto first = spec->network_mode == "default" ? "bridge" : spec->network_mode;
    for (const auto& wanted : spec->endpoints) {
        empty.aliases = wanted.aliases;
        networks[wanted.network == "default" ? "bridge" : wanted.network] = endpoint_json(empty);
    }
    empty.aliases.clear();
    if (!networks.contains(first)) networks[first] = endpoint_json(empty);
    return networks;
}

static json::object network_settings(const Container& container, const ContainerState& state) {
    json::object settings;
    settings["Bridge"] = "";
    settings["SandboxID"] = state.is_running() ? container.id() : "";
    settings["SandboxKey"] = state.is_running() ? fmt::format("/proc/{}/ns/net", state.pid) : "";
    json::object ports;
    for (const auto& exposed : container.spec()->exposed_ports) ports[exposed] = nullptr;
    for (const auto& port : state.ports) {
        auto key = fmt::format("{}/{}", port.container_port, port.protocol);
        if (!ports[key].is_array()) ports[key] = json::array{};
        ports[key].get_array().push_back({{"HostIp", port.host_ip}, {"HostPort", std::to_string(port.host_port)}});
    }
    settings["Ports"] = std::move(ports);
    settings["HairpinMode"] = false;
    settings["LinkLocalIPv6Address"] = "";
    settings["LinkLocalIPv6PrefixLen"] = 0;
    settings["SecondaryIPAddresses"] = nullptr;
    settings["SecondaryIPv6Addresses"] = nullptr;
    // The top level repeats the default bridge's endpoint, as it has since networks had no names.
    network::Endpoint first;
    for (const auto& endpoint : state.endpoints)
        if (endpoint.network_name == "bridge") first = endpoint;
    auto repeated = endpoint_json(first);
    for (auto field : {"EndpointID", "Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen", "IPAddress", "IPPrefixLen",
                       "IPv6Gateway", "MacAddress"})
        settings[field] = repeated[field];
    settings["Networks"] = networks_json(container, state);
    return settings;
}

static json::array mounts_json(const Container& container) {
    json::array mounts;
    for (const auto& volume : container.volumes()) {
        if (!volume.listed) continue;
        json::object mount;
        mount["Type"] = volume.type;
        if (!volume.name.empty()) mount["Name"] = volume.name;
        mount["Source"] = volume.source;
        mount["Destination"] = volume.destination;
        if (!volume.driver.empty()) mount["Driver"] = volume.driver;
        mount["Mode"] = volume.type == "tmpfs" ? "" : volume.mode;
        mount["RW"] = volume.writable;
        mount["Propagation"] = volume.propagation;
        mounts.push_back(std::move(mount));
    }
    return mounts;
}

static json::object health_json(const engine::Health& health) {
    json::array log;
    for (const auto& result : health.log)
        log.push_back({{"Start", rfc3339_nano(result.begun)},
                       {"End", rfc3339_nano(result.ended)},
                       {"ExitCode", result.exit_code},
                       {"Output", is_utf8(result.output) ? result.output : printable(result.output)}});
    return {
        {"Status", engine::name_of(health.status)}, {"FailingStreak", health.failing_streak}, {"Log", std::move(log)}};
}

static json::object state_json(const ContainerState& state) {
    json::object object;
    object["Status"] = engine::name_of(state.status);
    object["Running"] = state.is_running() || state.status == Status::Restarting;
    object["Paused"] = state.status == Status::Paused;
    object["Restarting"] = state.status == Status::Restarting;
    object["OOMKilled"] = state.oom_killed;
    object["Dead"] = state.status == Status::Dead;
    object["Pid"] = state.pid;
    object["ExitCode"] = state.exit_code;
    object["Error"] = state.error;
    object["StartedAt"] = rfc3339_nano(state.started_at);
    object["FinishedAt"] = rfc3339_nano(state.finished_at);
    if (state.health.status != HealthStatus::None) object["Health"] = health_json(state.health);
    return object;
}

static json::value parsed(const std::string& text) {
    auto value = parse_json(text);
    return value ? value.take() : json::value(nullptr);
}

static void add_sizes(Api& api, const Container& container, json::object& object) {
    auto& parts = api.engine().parts();
    auto own = snapshot::tree_size(parts.snapshots.upper_directory(container.id())).value_or(0);
    auto image = parts.images.find(container.identity().image_id.text());
    object["SizeRw"] = own;
    object["SizeRootFs"] = own + (image ? (*image)->size : 0);
}

// What answers to older clients had besides.
static void add_old_fields(json::object& object, const Container& container, std::uint64_t version) {
    if (version < 45)
        for (auto& [name, endpoint] : object["NetworkSettings"].get_object()["Networks"].get_object()) {
            if (name == "bridge" || name == "host" || name == "none") continue;
            auto& aliases = endpoint.get_object()["Aliases"];
            if (!aliases.is_array()) aliases = json::array{};
            aliases.get_array().emplace_back(container.short_id());
        }
    if (version >= 42 || !object["HostConfig"].is_object()) return;
    auto& host = object["HostConfig"].get_object();
    for (auto field : {"KernelMemory", "KernelMemoryTCP"})
        if (!host.contains(field)) host[field] = 0;
}

// Where overlay has the container's files; they are mounted nowhere but in its own namespace.
static json::object overlay_json(Api& api, const Container& container) {
    auto& parts = api.engine().parts();
    auto upper = parts.snapshots.upper_directory(container.id());
    json::object data{{"MergedDir", ""}, {"UpperDir", upper}, {"LowerDir", ""}};
    data["WorkDir"] = upper.substr(0, upper.rfind('/')) + "/work";
    auto image = parts.images.find(container.identity().image_id.text());
    if (!image) return data;
    if (auto layers = parts.images.layer_directories(**image)) data["LowerDir"] = join(*layers, ":");
    return data;
}

// Ours alone: whose programs these are, and what runs them if not the processor itself.
static void add_processor(Api& api, const Container& container, json::object& object) {
    auto image = api.engine().parts().images.find(container.identity().image_id.text());
    object["Architecture"] = image ? (*image)->config.architecture : "";
    object["Emulator"] = "";
    if (!image || engine::Emulation::is_native((*image)->config.architecture)) return;
    auto emulator = api.engine().emulation().find((*image)->config.architecture);
    object["Emulator"] = emulator ? emulator->program : "none installed";
}

json::object inspect_container(Api& api, const Container& container, bool with_size, std::uint64_t version) {
    auto state = container.state();
    auto spec = container.spec();
    auto command = spec->full_command();
    auto directory = api.engine().options().data_directory + "/containers/" + container.id();
    json::object object;
    object["Id"] = container.id();
    object["Created"] = rfc3339_nano(container.identity().created);
    object["Path"] = command.empty() ? "" : command.front();
    object["Args"] = array_of({command.empty() ? command.begin() : command.begin() + 1, command.end()});
    object["State"] = state_json(state);
    object["Image"] = container.identity().image_id.text();
    object["ResolvConfPath"] = directory + "/resolv.conf";
    object["HostnamePath"] = directory + "/hostname";
    object["HostsPath"] = directory + "/hosts";
    // As dockerd: the form of `local` is nobody else's business, and before its first start a container has no log.
    bool has_log = spec->log_driver == "json-file" && state.started_at.nanoseconds != 0;
    object["LogPath"] = has_log ? engine::log_path_of(*spec, directory) : "";
    object["Name"] = "/" + container.name();
    object["RestartCount"] = state.restart_count;
    object["Driver"] = "overlay2";
    object["Platform"] = "linux";
    add_processor(api, container, object);
    object["MountLabel"] = "";
    object["ProcessLabel"] = "";
    object["AppArmorProfile"] = engine::apparmor_profile_of(*spec, api.engine().security().apparmor_profile);
    object["ExecIDs"] = array_or_null(api.engine().execs().of_container(container.id()));
    object["HostConfig"] = parsed(spec->host_config_json);
    object["GraphDriver"] = {{"Name", "overlay2"}, {"Data", overlay_json(api, container)}};
    object["Mounts"] = mounts_json(container);
    object["Config"] = parsed(spec->config_json);
    object["NetworkSettings"] = network_settings(container, state);
    add_old_fields(object, container, version);
    if (with_size) add_sizes(api, container, object);
    return object;
}

static json::array ports_json(const ContainerState& state, const engine::ContainerSpec& spec) {
    json::array ports;
    for (const auto& port : state.ports)
        ports.push_back({{"IP", port.host_ip},
                         {"PrivatePort", port.container_port},
                         {"PublicPort", port.host_port},
                         {"Type", port.protocol}});
    if (!state.is_running()) return ports;
    for (const auto& exposed : spec.exposed_ports) {
        auto slash = exposed.find('/');
        auto number = parse_uint(exposed.substr(0, slash)).value_or(0);
        auto protocol = exposed.substr(slash + 1);
        bool published = std::any_of(state.ports.begin(), state.ports.end(), [&](const auto& port) {
            return port.container_port == number && port.protocol == protocol;
        });
        if (!published) ports.push_back({{"PrivatePort", number}, {"Type", protocol}});
    }
    return ports;
}

json::object list_container(Api& api, const Container& container, bool with_size) {
    auto state = container.state();
    auto spec = container.spec();
    json::object object;
    object["Id"] = container.id();
    object["Names"] = json::array{"/" + container.name()};
    // The name it was asked for by, unless that names another image by now.
    auto image = api.engine().parts().images.find(spec->image);
    bool same = image && (*image)->id == container.identity().image_id;
    object["Image"] = same ? spec->image : container.identity().image_id.text();
    object["ImageID"] = container.identity().image_id.text();
    std::string command;
    for (const auto& word : spec->full_command()) {
        if (!command.empty()) command += ' ';
        // dockerd quotes the words that a shell would split.
        if (word.find_first_of(" '\"") != std::string::npos) {
            command += '\'';
            for (char c : word) command += c == '\'' ? std::string("'\\''") : std::string(1, c);
            command += '\'';
        } else {
            command += word;
        }
    }
    object["Command"] = command;
    object["Created"] = container.identity().created.seconds();
    object["Ports"] = ports_json(state, *spec);
    if (with_size) add_sizes(api, container, object);
    object["Labels"] = object_of(spec->labels);
    object["State"] = engine::name_of(state.status);
    object["Status"] = status_text(state);
    object["HostConfig"] = {{"NetworkMode", spec->network_mode}};
    object["NetworkSettings"] = {{"Networks", networks_json(container, state)}};
    object["Mounts"] = mounts_json(container);
    return object;
}

}  // namespace pila::docker
