// SPDX-License-Identifier: Apache-2.0
#include "engine/spec.h"

#include <algorithm>

#include <fmt/core.h>

#include "base/json_reader.h"
#include "base/text.h"
#include "engine/spec_internal.h"

namespace pila::engine {

std::vector<std::string> ContainerSpec::full_command() const {
    std::vector<std::string> all = entrypoint;
    all.insert(all.end(), command.begin(), command.end());
    return all;
}

static std::string variable_name(std::string_view assignment) {
    return std::string(assignment.substr(0, assignment.find('=')));
}

// The image's environment with the container's on top; a variable without "=" removes the image's.
static std::vector<std::string> merge_environment(const std::vector<std::string>& image,
                                                  const std::vector<std::string>& own) {
    std::vector<std::string> merged = own;
    for (auto inherited = image.rbegin(); inherited != image.rend(); ++inherited) {
        auto name = variable_name(*inherited);
        bool overridden =
            std::any_of(own.begin(), own.end(), [&](const auto& item) { return variable_name(item) == name; });
        if (!overridden) merged.push_back(*inherited);
    }
    // Docker's order: the container's own first, then what the image adds, each in its own order.
    std::reverse(merged.begin() + static_cast<std::ptrdiff_t>(own.size()), merged.end());
    return merged;
}

static json::value strings_or_null(const std::vector<std::string>& items) {
    if (items.empty()) return nullptr;
    json::array list;
    for (const auto& item : items) list.emplace_back(item);
    return list;
}

static json::value set_or_null(const std::vector<std::string>& names) {
    if (names.empty()) return nullptr;
    json::object set;
    for (const auto& name : names) set[name] = json::object{};
    return set;
}

static void add_missing(std::vector<std::string>& own, const std::vector<std::string>& inherited) {
    for (const auto& item : inherited)
        if (std::find(own.begin(), own.end(), item) == own.end()) own.push_back(item);
}

static std::string port_with_protocol(const std::string& port) {
    return port.find('/') == std::string::npos ? port + "/tcp" : port;
}

// Config as inspect shows it: the request's, completed by the image's.
static Result<json::object> merge_config(const json::object& body, const image::ImageConfig& image,
                                         const std::string& id) {
    JsonReader in(body);
    auto command = in.strings("Cmd"), entrypoint = in.strings("Entrypoint");
    bool own_entrypoint = in.has("Entrypoint");
    // An entrypoint of the container's own discards the image's command; [""] only removes the image's entrypoint.
    if (!own_entrypoint) entrypoint = image.entrypoint;
    if (command.empty() && (!own_entrypoint || entrypoint.empty())) command = image.command;
    if (own_entrypoint && entrypoint.size() == 1 && entrypoint[0].empty()) entrypoint.clear();

    std::vector<std::string> exposed;
    for (const auto& port : in.keys("ExposedPorts")) exposed.push_back(port_with_protocol(port));
    std::vector<std::string> of_image;
    for (const auto& port : image.exposed_ports) of_image.push_back(port_with_protocol(port));
    add_missing(exposed, of_image);
    auto volumes = in.keys("Volumes");
    add_missing(volumes, image.volumes);
    json::object labels;
    for (const auto& [key, value] : image.labels) labels[key] = value;
    for (const auto& [key, value] : in.string_map("Labels")) labels[key] = value;
    auto or_image = [&](std::string_view field, const std::string& inherited) {
        auto own = in.text(field);
        return own.empty() ? inherited : own;
    };
    auto host_mode = [&] {
        const auto* host = in.object("HostConfig");
        const auto* mode = host ? host->if_contains("NetworkMode") : nullptr;
        return mode && mode->is_string() ? std::string(mode->get_string()) : std::string();
    }();
    auto hostname = in.text("Hostname");
    if (hostname.empty() && host_mode != "host" && !host_mode.starts_with("container:")) hostname = id.substr(0, 12);

    json::object config;
    config["Hostname"] = hostname;
    config["Domainname"] = in.text("Domainname");
    config["User"] = or_image("User", image.user);
    for (auto field : {"AttachStdin", "AttachStdout", "AttachStderr"}) config[field] = in.boolean(field);
    if (!exposed.empty()) config["ExposedPorts"] = set_or_null(exposed);
    for (auto field : {"Tty", "OpenStdin", "StdinOnce"}) config[field] = in.boolean(field);
    config["Env"] = strings_or_null(merge_environment(image.environment, in.strings("Env")));
    config["Cmd"] = strings_or_null(command);
    const auto* own_check = in.object("Healthcheck");
    auto check = image.healthcheck_json.empty() ? json::value(json::object()) : TRY(parse_json(image.healthcheck_json));
    if (own_check) check = merge_health(*own_check, check.is_object() ? check.get_object() : json::object());
    if (check.is_object() && !check.get_object().empty()) config["Healthcheck"] = std::move(check);
    config["Image"] = in.text("Image");
    config["Volumes"] = set_or_null(volumes);
    config["WorkingDir"] = or_image("WorkingDir", image.working_directory);
    config["Entrypoint"] = strings_or_null(entrypoint);
    if (in.boolean("NetworkDisabled")) config["NetworkDisabled"] = true;
    if (auto mac = in.text("MacAddress"); !mac.empty()) config["MacAddress"] = mac;
    config["OnBuild"] = nullptr;
    config["Labels"] = labels;
    if (auto signal = or_image("StopSignal", image.stop_signal); !signal.empty()) config["StopSignal"] = signal;
    if (auto timeout = in.optional_integer("StopTimeout")) config["StopTimeout"] = *timeout;
    if (!image.shell.empty()) config["Shell"] = strings_or_null(image.shell);
    TRY(in.check());
    return config;
}

static constexpr std::string_view host_config_defaults = R"({
  "Binds": null, "ContainerIDFile": "", "LogConfig": {"Type": "json-file", "Config": {}}, "NetworkMode": "bridge",
  "PortBindings": {}, "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0}, "AutoRemove": false,
  "VolumeDriver": "", "VolumesFrom": null, "ConsoleSize": [0, 0], "CapAdd": null, "CapDrop": null,
  "CgroupnsMode": "private", "Dns": [], "DnsOptions": [], "DnsSearch": [], "ExtraHosts": null, "GroupAdd": null,
  "IpcMode": "private", "Cgroup": "", "Links": null, "OomScoreAdj": 0, "PidMode": "", "Privileged": false,
  "PublishAllPorts": false, "ReadonlyRootfs": false, "SecurityOpt": null, "UTSMode": "", "UsernsMode": "",
  "ShmSize": 67108864, "Runtime": "pila", "Isolation": "", "CpuShares": 0, "Memory": 0, "NanoCpus": 0,
  "CgroupParent": "", "BlkioWeight": 0, "BlkioWeightDevice": [], "BlkioDeviceReadBps": [], "BlkioDeviceWriteBps": [],
  "BlkioDeviceReadIOps": [], "BlkioDeviceWriteIOps": [], "CpuPeriod": 0, "CpuQuota": 0, "CpuRealtimePeriod": 0,
  "CpuRealtimeRuntime": 0, "CpusetCpus": "", "CpusetMems": "", "Devices": [], "DeviceCgroupRules": null,
  "DeviceRequests": null, "MemoryReservation": 0, "MemorySwap": 0, "MemorySwappiness": null, "OomKillDisable": false,
  "PidsLimit": null, "Ulimits": [], "CpuCount": 0, "CpuPercent": 0, "IOMaximumIOps": 0, "IOMaximumBandwidth": 0,
  "MaskedPaths": ["/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys",
    "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap"],
  "ReadonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]})";

static Result<json::object> merge_host_config(const json::object& body) {
    auto merged = TRY(parse_json(host_config_defaults)).as_object();
    JsonReader in(body);
    const auto* own = in.object("HostConfig");
    TRY(in.check());
    if (!own) return merged;
    bool privileged = JsonReader(*own).boolean("Privileged");
    if (privileged) {
        merged["MaskedPaths"] = nullptr;
        merged["ReadonlyPaths"] = nullptr;
    }
    for (const auto& [key, value] : *own) {
        if (value.is_null()) continue;
        if (value.is_string() && value.get_string().empty()) continue;  // "": the default, as the docker client sends
        if (key == "ShmSize" && value == 0) continue;
        if (key == "NetworkMode" && value == "default") continue;
        merged[key] = value;
    }
    if (auto* log = merged["LogConfig"].if_object(); log && JsonReader(*log).text("Type").empty())
        (*log)["Type"] = "json-file";
    if (auto* policy = merged["RestartPolicy"].if_object(); policy && JsonReader(*policy).text("Name").empty())
        (*policy)["Name"] = "no";
    return merged;
}

Result<ContainerSpec> make_spec(const json::object& body, const image::ImageConfig& image, const std::string& id) {
    auto config = TRY(merge_config(body, image, id));
    auto host_config = TRY(merge_host_config(body));
    json::object networking;
    JsonReader in(body);
    if (const auto* given = in.object("NetworkingConfig"))
        if (const auto* endpoints = given->if_contains("EndpointsConfig"); endpoints && endpoints->is_object())
            networking = endpoints->get_object();
    TRY(in.check());
    return load_spec(to_json(config), to_json(host_config), to_json(networking));
}

Result<ContainerSpec> load_spec(std::string_view config, std::string_view host_config, std::string_view networking) {
    ContainerSpec spec;
    spec.config_json = config;
    spec.host_config_json = host_config;
    spec.networking_json = networking;
    auto config_value = TRY(parse_json(config)), host_value = TRY(parse_json(host_config)),
         networking_value = TRY(parse_json(networking));
    if (!config_value.is_object() || !host_value.is_object() || !networking_value.is_object())
        return Error(Errc::Invalid, "container record is not an object");
    TRY(read_config(config_value.get_object(), spec));
    TRY(read_host_config(host_value.get_object(), spec));
    TRY(read_networking(networking_value.get_object(), spec));
    return spec;
}

}  // namespace pila::engine
