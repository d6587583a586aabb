// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/core.h>

#include "base/docker_hub.h"
#include "docker/reply.h"
#include "engine/host_info.h"

namespace pila::docker {

static Reply ping(Api&, http::Request& request) {
    http::Response response = http::Response::text(200, request.method == "HEAD" ? "" : "OK");
    response.headers.set("Builder-Version", "1");
    response.headers.set("Swarm", "inactive");
    response.headers.set("Cache-Control", "no-cache, no-store, must-revalidate");
    response.headers.set("Pragma", "no-cache");
    return response;
}

static Reply version(Api& api, http::Request&) {
    auto host = engine::host_info();
    auto api_version = fmt::format("1.{}", newest_minor_version), oldest = fmt::format("1.{}", oldest_minor_version);
    json::object details{{"ApiVersion", api_version},
                         {"Arch", host.go_architecture},
                         {"BuildTime", ""},
                         {"Experimental", "false"},
                         {"GitCommit", ""},
                         {"GoVersion", "none"},
                         {"KernelVersion", host.kernel_version},
                         {"MinAPIVersion", oldest},
                         {"Os", "linux"}};
    json::object body;
    body["Platform"] = {{"Name", "pila"}};
    body["Components"] = json::array{{{"Name", "Engine"}, {"Version", api.options().version}, {"Details", details}}};
    body["Version"] = api.options().version;
    body["ApiVersion"] = api_version;
    body["MinAPIVersion"] = oldest;
    body["GitCommit"] = "";
    body["GoVersion"] = "none (C++, " __VERSION__ ")";
    body["BuildTime"] = "";
    body["Os"] = "linux";
    body["Arch"] = host.go_architecture;
    body["KernelVersion"] = host.kernel_version;
    return json_response(200, body);
}

// Flags of what this kernel can limit; the warnings of dockerd about what it cannot.
static json::value limit_facts(const engine::HostLimits& limits, bool cgroup_v2, json::object& body) {
    struct Fact {
        std::string_view flag;
        bool present;
        std::string_view name;
    };
    json::array warnings;
    for (const auto& fact : {Fact{"MemoryLimit", limits.memory, "memory limit"},
                             {"SwapLimit", limits.swap, "swap limit"},
                             {"OomKillDisable", limits.oom_kill_disable, cgroup_v2 ? "" : "oom kill disable"},
                             {"CpuCfsPeriod", limits.cpu_bandwidth, "cpu cfs period"},
                             {"CpuCfsQuota", limits.cpu_bandwidth, "cpu cfs quota"},
                             {"CPUShares", limits.cpu_shares, "cpu shares"},
                             {"CPUSet", limits.cpuset, "cpuset"},
                             {"PidsLimit", limits.pids, "pids limit"},
                             {"", limits.block_weight, "blkio weight"}}) {
        if (!fact.flag.empty()) body[fact.flag] = fact.present;
        if (!fact.present && !fact.name.empty())
            warnings.emplace_back(fmt::format("WARNING: No {} support", fact.name));
    }
    return warnings.empty() ? json::value(nullptr) : json::value(std::move(warnings));
}

// Programs that dockerd is made of, where pila has its own.
static void add_parts(Api& api, json::object& body) {
    json::object part{{"ID", api.options().version}, {"Expected", api.options().version}};
    for (auto field : {"ContainerdCommit", "RuncCommit", "InitCommit"}) body[field] = part;
    body["Runtimes"] = {{"pila", {{"path", "pila-runtime"}}}};
    body["DefaultRuntime"] = "pila";
    body["InitBinary"] = "pila-runtime";
}

static json::object registry_config(Api& api) {
    json::object indexes{{"docker.io",
                          {{"Name", "docker.io"},
                           {"Mirrors", array_of(api.options().registry_mirrors)},
                           {"Secure", true},
                           {"Official", true}}}};
    json::array blocks{"127.0.0.0/8", "::1/128"};
    for (const auto& name : api.options().insecure_registries) {
        if (name.find('/') != std::string::npos)
            blocks.emplace_back(name);
        else
            indexes[name] = {{"Name", name}, {"Mirrors", json::array{}}, {"Secure", false}, {"Official", false}};
    }
    return {{"AllowNondistributableArtifactsCIDRs", nullptr},
            {"AllowNondistributableArtifactsHostnames", nullptr},
            {"InsecureRegistryCIDRs", std::move(blocks)},
            {"IndexConfigs", std::move(indexes)},
            {"Mirrors", array_of(api.options().registry_mirrors)}};
}

static json::array security_options(Api& api) {
    json::array security;
    const auto& defaults = api.engine().security();
    if (!defaults.apparmor_profile.empty()) security.emplace_back("name=apparmor");
    security.emplace_back("name=seccomp,profile=" + defaults.seccomp_name);
    if (!api.engine().options().id_map.empty()) security.emplace_back("name=userns");
    security.emplace_back("name=cgroupns");
    return security;
}

// Ours alone: what can run here, and by what if not by the processor itself.
static json::array platforms(const engine::Emulation& emulation) {
    json::array all;
    for (const auto& one : emulation.all()) {
        json::object platform{{"Platform", "linux/" + one.architecture}};
        if (!one.program.empty()) platform["Emulator"] = one.program;
        all.push_back(std::move(platform));
    }
    return all;
}

static Reply info(Api& api, http::Request& request) {
    auto& engine = api.engine();
    int running = 0, paused = 0, stopped = 0;
    auto containers = engine.containers().list();
    for (const auto& container : containers) {
        auto status = container->state().status;
        if (status == engine::Status::Running || status == engine::Status::Restarting)
            ++running;
        else if (status == engine::Status::Paused)
            ++paused;
        else
            ++stopped;
    }
    auto host = engine::host_info();
    json::object body;
    body["ID"] = engine.options().instance;
    body["Containers"] = containers.size();
    body["ContainersRunning"] = running;
    body["ContainersPaused"] = paused;
    body["ContainersStopped"] = stopped;
    body["Images"] = engine.parts().images.list().size();
    body["Driver"] = "overlay2";
    body["DriverStatus"] = json::array{json::array{"Mounts", "detached"}};
    body["Plugins"] = {{"Volume", json::array{"local"}},
                       {"Network", json::array{"bridge", "host", "null"}},
                       {"Authorization", nullptr},
                       {"Log", json::array{"json-file", "local"}}};
    body["IPv4Forwarding"] = true;
    body["Warnings"] = limit_facts(engine.groups().limits(), host.cgroup_v2, body);
    body["Debug"] = false;
    body["NFd"] = host.open_descriptors;
    body["NGoroutines"] = host.threads;
    body["SystemTime"] = rfc3339_nano(now_wall());
    body["LoggingDriver"] = engine.options().logs.driver;
    body["CgroupDriver"] = "cgroupfs";
    body["CgroupVersion"] = host.cgroup_v2 ? "2" : "1";
    body["KernelVersion"] = host.kernel_version;
    body["OperatingSystem"] = host.operating_system;
    body["OSType"] = "linux";
    body["Architecture"] = host.machine;
    body["Platforms"] = platforms(engine.emulation());
    body["IndexServerAddress"] = docker_hub_server;
    body["RegistryConfig"] = registry_config(api);
    body["NCPU"] = host.cpus;
    body["MemTotal"] = host.memory_bytes;
    body["DockerRootDir"] = engine.options().data_directory;
    body["CDISpecDirs"] = array_of(engine.options().cdi_directories);
    body["HttpProxy"] = "";
    body["HttpsProxy"] = "";
    body["NoProxy"] = "";
    body["Name"] = host.hostname;
    body["Labels"] = json::array{};
    body["ExperimentalBuild"] = false;
    body["ServerVersion"] = api.options().version;
    add_parts(api, body);
    body["Swarm"] = {
        {"NodeID", ""}, {"NodeAddr", ""},           {"LocalNodeState", "inactive"}, {"ControlAvailable", false},
        {"Error", ""},  {"RemoteManagers", nullptr}};
    body["LiveRestoreEnabled"] = true;
    body["Isolation"] = "";
    body["SecurityOptions"] = security_options(api);
    body["GenericResources"] = nullptr;
    body["NEventsListener"] = engine.parts().journal.subscribers();
    body["OSVersion"] = host.os_version;
    body["ProductLicense"] = "";
    // True in dockerd when br_netfilter is there; our own rules do not need it.
    body["BridgeNfIptables"] = body["BridgeNfIp6tables"] = host.bridge_netfilter;
    auto version = asked_version(request.path);
    if (version < 42) body["KernelMemory"] = body["KernelMemoryTCP"] = false;
    if (version < 25) body["ExecutionDriver"] = "native";
    return json_response(200, body);
}

static json::array image_usage(Api& api, std::uint64_t version, std::uint64_t& layers_size) {
    auto& engine = api.engine();
    json::array images;
    for (const auto& image : engine.parts().images.list()) {
        int users = 0;
        for (const auto& container : engine.containers().list())
            users += container->identity().image_id == image->id ? 1 : 0;
        json::object object{{"Id", image->id.text()},
                            {"ParentId", image->parent.text()},
                            {"RepoTags", array_of(image->tags)},
                            {"RepoDigests", array_of(image->repo_digests)},
                            {"Created", image->created.seconds()},
                            {"Size", image->size},
                            {"SharedSize", 0},
                            {"Containers", users},
                            {"Labels", object_of(image->config.labels)}};
        if (version < 44) object["VirtualSize"] = image->size;
        images.push_back(std::move(object));
        layers_size += image->size;
    }
    return images;
}

static json::array volume_usage(Api& api) {
    auto& engine = api.engine();
    json::array volumes;
    for (const auto& volume : engine.volumes().list()) {
        int users = 0;
        for (const auto& container : engine.containers().list())
            for (const auto& mount : container->volumes()) users += mount.name == volume.name ? 1 : 0;
        volumes.push_back(
            {{"CreatedAt", rfc3339_nano({volume.created.seconds() * 1'000'000'000})},
             {"Name", volume.name},
             {"Driver", "local"},
             {"Mountpoint", volume.mountpoint},
             {"Scope", "local"},
             {"Labels", object_of(volume.labels)},
             {"Options", nullptr},
             {"UsageData", {{"Size", snapshot::tree_size(volume.mountpoint).value_or(0)}, {"RefCount", users}}}});
    }
    return volumes;
}

// ?type=image&type=volume: only those (API 1.42).
static Reply disk_usage(Api& api, http::Request& request) {
    auto types = request.query.all("type");
    for (auto type : types)
        if (type != "container" && type != "image" && type != "volume" && type != "build-cache")
            return Error(Errc::Invalid, fmt::format("unknown object type: {}", type));
    auto wanted = [&](std::string_view type) {
        return types.empty() || std::find(types.begin(), types.end(), type) != types.end();
    };
    auto version = asked_version(request.path);
    json::object body;
    if (wanted("image")) {
        std::uint64_t layers_size = 0;
        body["Images"] = image_usage(api, version, layers_size);
        body["LayersSize"] = layers_size;
    }
    if (wanted("container")) {
        json::array containers;
        for (const auto& container : api.engine().containers().list())
            containers.push_back(list_container(api, *container, true));
        body["Containers"] = std::move(containers);
    }
    if (wanted("volume")) body["Volumes"] = volume_usage(api);
    std::uint64_t builder_size = 0;
    if (wanted("build-cache")) body["BuildCache"] = build_cache_json(api, version, builder_size);
    if (version < 42) body["BuilderSize"] = builder_size;
    return json_response(200, body);
}

static constexpr Route routes[] = {
    {"GET", "/_ping", ping},           {"GET", "/version", version},   {"GET", "/info", info},
    {"GET", "/system/df", disk_usage}, {"POST", "/auth", check_login},
};

std::span<const Route> system_routes() { return routes; }

}  // namespace pila::docker
