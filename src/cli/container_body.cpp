// SPDX-License-Identifier: Apache-2.0
// The JSON of a new container, field for field what docker's command line sends (tests/cli/request_cases.json).
#include <fmt/core.h>
#include <algorithm>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "base/text.h"
#include "cli/container_options.h"
#include "cli/env_file.h"
#include "cli/json_helpers.h"
#include "cli/mounts.h"
#include "cli/ports.h"
#include "cli/security_options.h"
#include "cli/template.h"
#include "cli/units.h"

namespace pila::cli {

namespace {

Error invalid(std::string message) { return Error(Errc::Invalid, std::move(message)); }

bool attached(const ContainerOptions& options, std::string_view stream) {
    return std::find(options.attach.begin(), options.attach.end(), stream) != options.attach.end();
}

Result<Texts> with_files(const Texts& files, const Texts& direct, BareNames bare) {
    Texts all;
    for (const auto& file : files)
        for (auto& line : TRY(read_env_file(file, bare))) all.push_back(std::move(line));
    all.insert(all.end(), direct.begin(), direct.end());
    return all;
}

Result<json::value> health_of(const ContainerOptions& o) {
    bool has_times = o.health_interval != 0 || o.health_timeout != 0 || o.health_start_period != 0 ||
                     o.health_start_interval != 0 || o.health_retries != 0;
    if (o.no_healthcheck) {
        if (!o.health_command.empty() || has_times)
            return invalid("--no-healthcheck conflicts with --health-* options");
        return json::value{{"Test", json::array{"NONE"}}};
    }
    if (o.health_command.empty() && !has_times) return json::value(nullptr);
    if (o.health_interval < 0) return invalid("--health-interval cannot be negative");
    if (o.health_timeout < 0) return invalid("--health-timeout cannot be negative");
    if (o.health_retries < 0) return invalid("--health-retries cannot be negative");
    if (o.health_start_period < 0) return invalid("--health-start-period cannot be negative");
    if (o.health_start_interval < 0) return invalid("--health-start-interval cannot be negative");
    json::object health;
    if (!o.health_command.empty()) health["Test"] = json::array{"CMD-SHELL", o.health_command};
    set_if(health, "Interval", o.health_interval);
    set_if(health, "Timeout", o.health_timeout);
    set_if(health, "StartPeriod", o.health_start_period);
    set_if(health, "StartInterval", o.health_start_interval);
    set_if(health, "Retries", o.health_retries);
    return json::value(std::move(health));
}

struct Ports {
    json::object exposed, bindings;
};

Result<Ports> ports_of(const ContainerOptions& options) {
    Ports ports;
    for (const auto& text : options.publish) {
        for (const auto& binding : TRY(parse_publish(text))) {
            ports.exposed[binding.port] = json::object();
            auto& list = ports.bindings[binding.port];
            if (!list.is_array()) list = json::array();
            list.get_array().push_back(json::object{{"HostIp", binding.host_ip}, {"HostPort", binding.host_port}});
        }
    }
    for (const auto& text : options.expose)
        for (const auto& port : TRY(parse_expose(text))) ports.exposed[port] = json::object();
    return ports;
}

struct Volumes {
    json::object anonymous;
    json::value binds;
};

Result<Volumes> volumes_of(const ContainerOptions& options) {
    Volumes volumes;
    Texts binds;
    for (const auto& text : options.volumes) {
        auto spec = TRY(parse_volume(text));
        if (spec.anonymous)
            volumes.anonymous[text] = json::object();
        else
            binds.push_back(spec.bind);
    }
    volumes.binds = list_or_null(binds);
    return volumes;
}

struct Devices {
    json::array devices;
    Texts cdi;
};

Result<Devices> devices_of(const ContainerOptions& options) {
    Devices result;
    for (const auto& text : options.devices) {
        // vendor.com/class=name is a device of the Container Device Interface.
        if (!text.starts_with('/') && text.find('=') != std::string::npos && text.find('/') != std::string::npos) {
            result.cdi.push_back(text);
            continue;
        }
        auto parts = split(text, ':');
        auto is_mode = [](std::string_view mode) {
            return !mode.empty() && mode.size() <= 3 && mode.find_first_not_of("rwm") == std::string_view::npos;
        };
        if (parts.size() > 3) return invalid(fmt::format("bad format for path: {}", text));
        if (parts.size() == 3 && !is_mode(parts[2])) return invalid(fmt::format("bad mode specified: {}", parts[2]));
        std::string host(parts[0]), container = host, mode = "rwm";
        if (parts.size() == 3) mode = parts[2];
        if (parts.size() >= 2) {
            if (parts.size() == 2 && is_mode(parts[1]))
                mode = parts[1];
            else
                container = parts[1];
        }
        if (container.empty()) container = host;
        if (!container.starts_with('/')) return invalid(fmt::format("{} is not an absolute path", container));
        result.devices.push_back(
            json::object{{"PathOnHost", host}, {"PathInContainer", container}, {"CgroupPermissions", mode}});
    }
    return result;
}

json::array rates(const std::vector<DeviceRate>& list, std::string_view key) {
    json::array out;
    for (const auto& item : list) out.push_back(json::object{{"Path", item.path}, {key, item.rate}});
    return out;
}

Result<void> add_resources(json::object& host, const ContainerOptions& o) {
    if (o.memory_swappiness != -1 && (o.memory_swappiness < 0 || o.memory_swappiness > 100))
        return invalid(fmt::format("invalid value: {}. Valid memory swappiness range is 0-100", o.memory_swappiness));
    host["CpuShares"] = o.cpu_shares;
    host["Memory"] = o.memory;
    host["NanoCpus"] = o.nano_cpus;
    host["CgroupParent"] = o.cgroup_parent;
    host["BlkioWeight"] = o.blkio_weight;
    host["BlkioWeightDevice"] = rates(o.blkio_weight_devices, "Weight");
    host["BlkioDeviceReadBps"] = rates(o.read_bps, "Rate");
    host["BlkioDeviceWriteBps"] = rates(o.write_bps, "Rate");
    host["BlkioDeviceReadIOps"] = rates(o.read_iops, "Rate");
    host["BlkioDeviceWriteIOps"] = rates(o.write_iops, "Rate");
    host["CpuPeriod"] = o.cpu_period;
    host["CpuQuota"] = o.cpu_quota;
    host["CpuRealtimePeriod"] = o.cpu_rt_period;
    host["CpuRealtimeRuntime"] = o.cpu_rt_runtime;
    host["CpusetCpus"] = o.cpuset_cpus;
    host["CpusetMems"] = o.cpuset_mems;
    auto devices = TRY(devices_of(o));
    host["Devices"] = std::move(devices.devices);
    host["DeviceCgroupRules"] = list_or_null(o.device_cgroup_rules);
    json::array requests;
    if (!o.gpus.empty()) requests = TRY(parse_json(o.gpus)).as_array();
    if (!devices.cdi.empty())
        requests.push_back(json::object{{"Driver", "cdi"},
                                        {"Count", 0},
                                        {"DeviceIDs", list_or_null(devices.cdi)},
                                        {"Capabilities", nullptr},
                                        {"Options", nullptr}});
    host["DeviceRequests"] = requests.empty() ? json::value(nullptr) : json::value(std::move(requests));
    host["MemoryReservation"] = o.memory_reservation;
    host["MemorySwap"] = o.memory_swap;
    host["MemorySwappiness"] = o.memory_swappiness;
    host["OomKillDisable"] = o.oom_kill_disable;
    host["PidsLimit"] = o.pids_limit;
    json::array limits;
    for (const auto& limit : o.ulimits)
        limits.push_back(json::object{{"Name", limit.name}, {"Hard", limit.hard}, {"Soft", limit.soft}});
    host["Ulimits"] = std::move(limits);
    host["CpuCount"] = o.cpu_count;
    host["CpuPercent"] = o.cpu_percent;
    host["IOMaximumIOps"] = o.io_max_iops;
    host["IOMaximumBandwidth"] = o.io_max_bandwidth;
    return {};
}

Result<void> check_namespaces(const ContainerOptions& o) {
    auto joins = [](const std::string& mode) { return mode.starts_with("container:") && mode.size() > 10; };
    if (!o.pid.empty() && o.pid != "host" && !joins(o.pid)) return invalid("--pid: invalid PID mode");
    if (!o.uts.empty() && o.uts != "host") return invalid("--uts: invalid UTS mode");
    if (!o.userns.empty() && o.userns != "host") return invalid("--userns: invalid USER mode");
    if (!o.cgroupns.empty() && o.cgroupns != "host" && o.cgroupns != "private")
        return invalid("--cgroupns: invalid CGROUP mode");
    return {};
}

Result<json::object> storage_options_of(const Texts& options) {
    json::object out;
    for (const auto& option : options) {
        auto equals = option.find('=');
        if (equals == std::string::npos) return invalid("invalid storage option");
        out[option.substr(0, equals)] = option.substr(equals + 1);
    }
    return out;
}

Result<json::object> host_config(const ContainerOptions& o, Volumes& volumes, Ports& ports,
                                 const Networking& networking) {
    TRY(check_namespaces(o));
    json::object host;
    host["Binds"] = std::move(volumes.binds);
    host["ContainerIDFile"] = o.cid_file;
    if (o.log_driver == "none" && !o.log_options.empty()) return invalid("invalid logging opts for driver none");
    host["LogConfig"] = json::object{{"Type", o.log_driver}, {"Config", pairs_of(o.log_options)}};
    host["NetworkMode"] = networking.mode;
    host["PortBindings"] = std::move(ports.bindings);
    auto restart = TRY(parse_restart_policy(o.restart));
    bool restarts = !restart.first.empty() && restart.first != "no";
    if (o.remove && restarts) return invalid("conflicting options: cannot specify both --restart and --rm");
    host["RestartPolicy"] = json::object{{"Name", restart.first}, {"MaximumRetryCount", restart.second}};
    host["AutoRemove"] = o.remove;
    host["VolumeDriver"] = o.volume_driver;
    host["VolumesFrom"] = list_or_null(o.volumes_from);
    host["ConsoleSize"] = json::array{0, 0};
    if (!o.annotations.empty()) host["Annotations"] = pairs_of(o.annotations);
    host["CapAdd"] = capabilities(o.cap_add);
    host["CapDrop"] = capabilities(o.cap_drop);
    host["CgroupnsMode"] = o.cgroupns;
    host["Dns"] = list_of(o.dns);
    host["DnsOptions"] = list_of(o.dns_options);
    host["DnsSearch"] = list_of(o.dns_search);
    host["ExtraHosts"] = list_or_null(o.extra_hosts);
    host["GroupAdd"] = list_or_null(o.group_add);
    host["IpcMode"] = o.ipc;
    host["Cgroup"] = "";
    host["Links"] = list_or_null(o.links);
    host["OomScoreAdj"] = o.oom_score;
    host["PidMode"] = o.pid;
    host["Privileged"] = o.privileged;
    host["PublishAllPorts"] = o.publish_all;
    host["ReadonlyRootfs"] = o.read_only;
    auto security = TRY(security_of(o.security_options));
    host["SecurityOpt"] = std::move(security.options);
    auto storage = TRY(storage_options_of(o.storage_options));
    if (!storage.empty()) host["StorageOpt"] = std::move(storage);
    json::object tmpfs;
    for (const auto& text : o.tmpfs) {
        auto colon = text.find(':');
        tmpfs[text.substr(0, colon)] = colon == std::string::npos ? "" : text.substr(colon + 1);
    }
    if (!tmpfs.empty()) host["Tmpfs"] = std::move(tmpfs);
    host["UTSMode"] = o.uts;
    host["UsernsMode"] = o.userns;
    host["ShmSize"] = o.shm_size;
    if (!o.sysctls.empty()) host["Sysctls"] = pairs_of(o.sysctls);
    if (!o.runtime.empty()) host["Runtime"] = o.runtime;
    host["Isolation"] = o.isolation;
    TRY(add_resources(host, o));
    json::array mounts;
    for (const auto& mount : o.mounts) mounts.push_back(TRY(parse_json(mount)));
    if (!mounts.empty()) host["Mounts"] = std::move(mounts);
    bool unmasked = security.system_paths_unconfined;
    host["MaskedPaths"] = unmasked ? json::value(json::array()) : json::value(nullptr);
    host["ReadonlyPaths"] = unmasked ? json::value(json::array()) : json::value(nullptr);
    if (o.has_init) host["Init"] = o.init;
    return host;
}

}  // namespace

Result<std::pair<std::string, std::int64_t>> parse_restart_policy(std::string_view text) {
    auto colon = text.find(':');
    if (colon == 0) return invalid("invalid restart policy format: no policy provided before colon");
    std::pair<std::string, std::int64_t> policy{text.substr(0, colon), 0};
    if (colon == std::string_view::npos || colon + 1 == text.size()) return policy;
    auto count = parse_int(text.substr(colon + 1));
    if (!count) return invalid("invalid restart policy format: maximum retry count must be an integer");
    policy.second = *count;
    return policy;
}

Result<json::object> container_body(const ContainerOptions& o, const std::string& image, const Texts& command,
                                    int api_minor) {
    auto volumes = TRY(volumes_of(o));
    auto ports = TRY(ports_of(o));
    auto networking = TRY(networking_of(o));
    for (const auto& mount : o.mounts)
        if (auto problem = mount_needs_newer_api(mount, api_minor); !problem.empty())
            return Error(Errc::Unsupported, problem);
    auto host = TRY(host_config(o, volumes, ports, networking));

    bool any = o.attach.empty();
    bool in = attached(o, "stdin") || o.interactive;
    json::object body;
    body["Hostname"] = o.hostname;
    body["Domainname"] = o.domainname;
    body["User"] = o.user;
    body["AttachStdin"] = in && !(o.detach && any);
    body["AttachStdout"] = any ? !o.detach : attached(o, "stdout");
    body["AttachStderr"] = any ? !o.detach : attached(o, "stderr");
    if (!ports.exposed.empty()) body["ExposedPorts"] = std::move(ports.exposed);
    body["Tty"] = o.tty;
    body["OpenStdin"] = o.interactive;
    body["StdinOnce"] = o.interactive && !o.detach;
    body["Env"] = list_or_null(TRY(with_files(o.environment_files, o.environment, BareNames::FromEnvironment)));
    body["Cmd"] = list_or_null(command);
    if (auto health = TRY(health_of(o)); !health.is_null()) body["Healthcheck"] = std::move(health);
    body["Image"] = image;
    body["Volumes"] = std::move(volumes.anonymous);
    body["WorkingDir"] = o.working_directory;
    body["Entrypoint"] = o.has_entrypoint ? json::value(json::array{o.entrypoint}) : json::value(nullptr);
    body["OnBuild"] = nullptr;
    body["Labels"] = pairs_of(TRY(with_files(o.label_files, o.labels, BareNames::Drop)));
    if (!o.stop_signal.empty()) body["StopSignal"] = o.stop_signal;
    if (o.has_stop_timeout) body["StopTimeout"] = o.stop_timeout;
    if (o.kernel_memory != 0 && api_minor < 42) host["KernelMemory"] = o.kernel_memory;
    body["HostConfig"] = std::move(host);
    json::object endpoints;
    for (const auto& network : networking.endpoints) {
        if (!network.mac_address.empty() && api_minor < 44)
            return Error(Errc::Unsupported,
                         fmt::format("\"specify mac-address per network\" requires API version 1.44, but "
                                     "the Docker daemon API version is 1.{}",
                                     api_minor));
        endpoints[network.target] = endpoint_settings(network);
    }
    body["NetworkingConfig"] = json::object{{"EndpointsConfig", std::move(endpoints)}};
    return body;
}

}  // namespace pila::cli
