// SPDX-License-Identifier: Apache-2.0
#include <tuple>

#include <fmt/core.h>

#include "base/json_reader.h"
#include "base/text.h"
#include "engine/spec_internal.h"

namespace pila::engine {

Result<std::pair<std::uint16_t, std::uint16_t>> parse_port_range(std::string_view text) {
    if (text.empty()) return std::pair<std::uint16_t, std::uint16_t>{0, 0};
    auto dash = text.find('-');
    auto first = parse_uint(text.substr(0, dash));
    auto last = dash == std::string_view::npos ? first : parse_uint(text.substr(dash + 1));
    if (!first || !last || *first > 65535 || *last > 65535 || *last < *first)
        return Error(Errc::Invalid, fmt::format("invalid port specification: {}", json_quote(text)));
    return std::pair{static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
}

Result<ContainerPort> parse_container_port(std::string_view text) {
    auto slash = text.find('/');
    auto number = parse_uint(text.substr(0, slash));
    std::string protocol = slash == std::string_view::npos ? "tcp" : to_lower(text.substr(slash + 1));
    if (!number || *number == 0 || *number > 65535)
        return Error(Errc::Invalid, fmt::format("invalid port specification: {}", json_quote(text)));
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp")
        return Error(Errc::Invalid, fmt::format("invalid protocol in port {}", json_quote(text)));
    return ContainerPort{static_cast<std::uint16_t>(*number), protocol};
}

Result<void> read_config(const json::object& config, ContainerSpec& spec) {
    JsonReader in(config);
    spec.image = in.text("Image");
    spec.hostname = in.text("Hostname");
    spec.domainname = in.text("Domainname");
    spec.user = in.text("User");
    spec.working_directory = in.text("WorkingDir");
    spec.stop_signal = in.text("StopSignal");
    spec.mac_address = in.text("MacAddress");
    spec.environment = in.strings("Env");
    spec.command = in.strings("Cmd");
    spec.entrypoint = in.strings("Entrypoint");
    spec.tty = in.boolean("Tty");
    spec.open_stdin = in.boolean("OpenStdin");
    spec.stdin_once = in.boolean("StdinOnce");
    spec.attach_stdin = in.boolean("AttachStdin");
    spec.attach_stdout = in.boolean("AttachStdout");
    spec.attach_stderr = in.boolean("AttachStderr");
    spec.labels = in.string_map("Labels");
    spec.exposed_ports = in.keys("ExposedPorts");
    spec.anonymous_volumes = in.keys("Volumes");
    spec.stop_timeout = in.optional_integer("StopTimeout");
    TRY(in.check());
    spec.health = TRY(read_health(config));
    for (const auto& port : spec.exposed_ports) TRY(parse_container_port(port));
    for (const auto& variable : spec.environment)
        if (variable.empty() || variable[0] == '=')
            return Error(Errc::Invalid, "invalid environment variable: " + variable);
    if (spec.hostname.size() > 63 ||
        spec.hostname.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") !=
            std::string::npos)
        return Error(Errc::Invalid, "invalid hostname format: " + spec.hostname);
    return {};
}

Result<HostPort> read_host_port(const json::value& binding, std::string_view field) {
    if (!binding.is_object())
        return Error(Errc::Invalid, fmt::format("invalid JSON: {} holds lists of objects", field));
    JsonReader in(binding.get_object(), std::string(field));
    HostPort host;
    host.ip = in.text("HostIp");
    std::tie(host.first, host.last) = TRY(parse_port_range(in.text("HostPort")));
    TRY(in.check());
    return host;
}

static Result<void> read_ports(JsonReader& in, ContainerSpec& spec) {
    const auto* bindings = in.object("PortBindings");
    if (!bindings) return {};
    for (const auto& [key, value] : *bindings) {
        auto port = TRY(parse_container_port(key));
        const auto* list = value.if_array();
        if (!list) continue;
        for (const auto& item : *list) {
            auto host = TRY(read_host_port(item, "PortBindings"));
            spec.ports.push_back({port.protocol, port.port, host.ip, host.first, host.last});
        }
    }
    return {};
}

static Result<void> read_devices_and_limits(JsonReader& in, ContainerSpec& spec) {
    if (const auto* list = in.array("Devices"))
        for (const auto& item : *list) {
            if (!item.is_object()) return Error(Errc::Invalid, "invalid JSON: Devices holds objects");
            JsonReader device(item.get_object(), "Devices");
            spec.devices.push_back(
                {device.text("PathOnHost"), device.text("PathInContainer"), device.text("CgroupPermissions", "rwm")});
            TRY(device.check());
        }
    spec.device_cgroup_rules = in.strings("DeviceCgroupRules");
    for (const auto& rule : spec.device_cgroup_rules) TRY(parse_device_rule(rule));
    spec.links = in.strings("Links");
    if (const auto* list = in.array("DeviceRequests"))
        for (const auto& item : *list) {
            if (!item.is_object()) return Error(Errc::Invalid, "invalid JSON: DeviceRequests holds objects");
            JsonReader request(item.get_object(), "DeviceRequests");
            DeviceRequest asked{request.text("Driver"), request.strings("DeviceIDs"), {}};
            const auto* sets = request.array("Capabilities");
            TRY(request.check());
            for (std::size_t i = 0; sets && i < sets->size(); ++i) {
                json::object holder{{"set", (*sets)[i]}};
                JsonReader set(holder);
                asked.capabilities.push_back(set.strings("set"));
            }
            spec.device_requests.push_back(std::move(asked));
        }
    if (const auto* list = in.array("Ulimits"))
        for (const auto& item : *list) {
            if (!item.is_object()) return Error(Errc::Invalid, "invalid JSON: Ulimits holds objects");
            JsonReader limit(item.get_object(), "Ulimits");
            spec.ulimits.push_back({limit.text("Name"), limit.integer("Soft"), limit.integer("Hard")});
            TRY(limit.check());
        }
    spec.sysctls = in.string_map("Sysctls");
    spec.resources = read_resources(in);
    return {};
}

Result<void> read_host_config(const json::object& host, ContainerSpec& spec) {
    JsonReader in(host, "HostConfig");
    spec.network_mode = in.text("NetworkMode", "bridge");
    spec.ipc_mode = in.text("IpcMode");
    spec.pid_mode = in.text("PidMode");
    spec.uts_mode = in.text("UTSMode");
    spec.userns_mode = in.text("UsernsMode");
    spec.cgroupns_mode = in.text("CgroupnsMode");
    spec.cgroup_parent = in.text("CgroupParent");
    spec.auto_remove = in.boolean("AutoRemove");
    spec.privileged = in.boolean("Privileged");
    spec.publish_all = in.boolean("PublishAllPorts");
    spec.read_only_root = in.boolean("ReadonlyRootfs");
    spec.init = in.boolean("Init");
    if (const auto* policy = in.object("RestartPolicy")) {
        JsonReader restart(*policy, "HostConfig.RestartPolicy");
        spec.restart = {restart.text("Name", "no"), restart.integer("MaximumRetryCount")};
        TRY(restart.check());
    }
    spec.cap_add = in.strings("CapAdd");
    spec.cap_drop = in.strings("CapDrop");
    spec.security_options = in.strings("SecurityOpt");
    spec.group_add = in.strings("GroupAdd");
    spec.dns = in.strings("Dns");
    spec.dns_options = in.strings("DnsOptions");
    spec.dns_search = in.strings("DnsSearch");
    spec.extra_hosts = in.strings("ExtraHosts");
    spec.volumes_from = in.strings("VolumesFrom");
    spec.volume_driver = in.text("VolumeDriver");
    spec.shm_size = in.integer("ShmSize", 64 << 20);
    if (auto adjustment = in.integer("OomScoreAdj")) spec.oom_score_adj = static_cast<int>(adjustment);
    if (const auto* size = in.array("ConsoleSize");
        size && size->size() == 2 && (*size)[0].is_int64() && (*size)[1].is_int64()) {
        spec.console_rows = static_cast<std::uint16_t>((*size)[0].get_int64());
        spec.console_columns = static_cast<std::uint16_t>((*size)[1].get_int64());
    }
    if (const auto* log = in.object("LogConfig")) {
        JsonReader config(*log, "HostConfig.LogConfig");
        spec.log_driver = config.text("Type", "json-file");
        spec.log_options = config.string_map("Config");
        TRY(config.check());
    }
    if (in.has("MaskedPaths")) spec.masked_paths = in.strings("MaskedPaths");
    if (in.has("ReadonlyPaths")) spec.readonly_paths = in.strings("ReadonlyPaths");
    TRY(read_ports(in, spec));
    TRY(read_mounts(host, spec));
    TRY(read_devices_and_limits(in, spec));
    TRY(in.check());
    const auto& policy = spec.restart.name;
    if (policy != "no" && policy != "always" && policy != "unless-stopped" && policy != "on-failure")
        return Error(Errc::Invalid, fmt::format("invalid restart policy '{}'", policy));
    if (spec.auto_remove && policy != "no")
        return Error(Errc::Invalid, "can't create 'AutoRemove' container with restart policy");
    return {};
}

Result<void> read_networking(const json::object& endpoints, ContainerSpec& spec) {
    for (const auto& [name, value] : endpoints) {
        network::EndpointRequest request;
        request.network = name;
        if (const auto* settings = value.if_object()) {
            JsonReader in(*settings, "NetworkingConfig.EndpointsConfig");
            request.aliases = in.strings("Aliases");
            request.mac_address = in.text("MacAddress");
            if (const auto* ipam = in.object("IPAMConfig")) {
                JsonReader addresses(*ipam, "IPAMConfig");
                request.ipv4 = addresses.text("IPv4Address");
                request.ipv6 = addresses.text("IPv6Address");
                TRY(addresses.check());
            }
            TRY(in.check());
        }
        spec.endpoints.push_back(std::move(request));
    }
    return {};
}

}  // namespace pila::engine
