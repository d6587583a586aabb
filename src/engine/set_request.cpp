// SPDX-License-Identifier: Apache-2.0
#include "engine/set_request.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json_reader.h"
#include "base/text.h"
#include "engine/resources.h"
#include "engine/spec_internal.h"

namespace pila::engine {

namespace {

// As `docker update` sends them.
constexpr std::array limit_members = {"CpuShares",
                                      "Memory",
                                      "NanoCpus",
                                      "CgroupParent",
                                      "BlkioWeight",
                                      "BlkioWeightDevice",
                                      "BlkioDeviceReadBps",
                                      "BlkioDeviceWriteBps",
                                      "CpuPeriod",
                                      "CpuQuota",
                                      "CpuRealtimePeriod",
                                      "CpuRealtimeRuntime",
                                      "CpusetCpus",
                                      "CpusetMems",
                                      "KernelMemory",
                                      "MemoryReservation",
                                      "MemorySwap",
                                      "MemorySwappiness",
                                      "OomKillDisable",
                                      "PidsLimit",
                                      "RestartPolicy",
                                      "BlkioDeviceReadIOps",
                                      "Devices",
                                      "BlkioDeviceWriteIOps",
                                      "DeviceCgroupRules",
                                      "DeviceRequests",
                                      "Ulimits",
                                      "CpuCount",
                                      "CpuPercent",
                                      "IOMaximumIOps",
                                      "KernelMemoryTCP",
                                      "IOMaximumBandwidth"};
constexpr std::array own_members = {"PortBindings", "RemovePortBindings", "Binds",          "Mounts", "Tmpfs",
                                    "RemoveMounts", "Networks",           "RemoveNetworks", "Force"};

bool is_limit(std::string_view name) {
    return std::find(limit_members.begin(), limit_members.end(), name) != limit_members.end();
}

// Zero and nothing are what was not asked for, as in /update.
bool says_something(std::string_view name, const json::value& value) {
    if (value.is_null()) return false;
    if (name == "PidsLimit" || value.is_bool()) return true;
    if (const auto* text = value.if_string()) return !text->empty();
    if (const auto* list = value.if_array()) return !list->empty();
    if (const auto* object = value.if_object(); object && name == "RestartPolicy")
        return !JsonReader(*object).text("Name").empty();
    return value != 0;
}

Error invalid(std::string text) { return Error(Errc::Invalid, std::move(text)); }

Result<void> read_port_removals(const json::object& bindings, SetRequest& request) {
    for (const auto& [key, value] : bindings) {
        auto port = TRY(parse_container_port(key));
        PortRemoval all{port.protocol, port.port, "", 0, 0};
        if (value.is_null() || (value.is_array() && value.get_array().empty())) {
            request.remove_ports.push_back(all);
            continue;
        }
        if (!value.is_array()) return invalid("invalid JSON: RemovePortBindings holds lists of objects");
        for (const auto& item : value.get_array()) {
            auto host = TRY(read_host_port(item, "RemovePortBindings"));
            request.remove_ports.push_back({port.protocol, port.port, host.ip, host.first, host.last});
        }
    }
    return {};
}

Result<void> check_targets(const SetRequest& request) {
    for (const auto& mount : request.add_mounts) {
        auto target = clean_target(mount.target);
        for (std::string_view kernels : {"/proc", "/sys"})
            if (target == kernels || target.starts_with(std::string(kernels) + "/"))
                return invalid(fmt::format("invalid mount path: '{}': it lies in {}", mount.target, kernels));
        auto same = [&](const auto& other) { return &other != &mount && clean_target(other.target) == target; };
        if (std::any_of(request.add_mounts.begin(), request.add_mounts.end(), same))
            return invalid("Duplicate mount point: " + mount.target);
    }
    for (const auto& target : request.remove_mounts)
        if (!target.starts_with("/") || clean_target(target) == "/")
            return invalid(fmt::format("invalid mount path: '{}' mount path must be absolute", target));
    return {};
}

template <typename T>
void take(const json::object& body, const char* key, T& into) {
    const auto* value = body.if_contains(key);
    if constexpr (std::is_same_v<T, json::object>) {
        if (value && value->is_object()) into = value->get_object();
    } else {
        if (value && value->is_array()) into = value->get_array();
    }
}

}  // namespace

std::string clean_target(std::string_view path) {
    std::string clean;
    for (auto part : split(path, '/'))
        if (!part.empty() && part != ".") (clean += '/') += part;
    return clean.empty() ? "/" : clean;
}

bool SetRequest::empty() const {
    return limits.empty() && !touches_ports() && !touches_mounts() && !touches_networks();
}

Result<SetRequest> read_set_request(const json::object& body) {
    SetRequest request;
    for (const auto& [key, value] : body) {
        if (is_limit(key)) {
            if (says_something(key, value)) request.limits[key] = value;
            continue;
        }
        if (std::find(own_members.begin(), own_members.end(), key) == own_members.end())
            return invalid(fmt::format("unknown member {}", json_quote(key)));
    }
    JsonReader in(body);
    request.force = in.boolean("Force");
    request.remove_mounts = in.strings("RemoveMounts");
    request.remove_networks = in.strings("RemoveNetworks");
    const auto* removals = in.object("RemovePortBindings");
    const auto* networks = in.object("Networks");
    TRY(in.check());
    if (removals) TRY(read_port_removals(*removals, request));

    json::object host;
    for (const auto* key : {"PortBindings", "Binds", "Mounts", "Tmpfs"})
        if (const auto* value = body.if_contains(key)) host[key] = *value;
    ContainerSpec scratch;
    TRY(read_host_config(host, scratch));
    if (networks) TRY(read_networking(*networks, scratch));
    request.add_ports = std::move(scratch.ports);
    request.add_mounts = std::move(scratch.mounts);
    request.add_networks = std::move(scratch.endpoints);
    take(body, "PortBindings", request.port_bindings);
    take(body, "Tmpfs", request.tmpfs);
    take(body, "Networks", request.networks);
    take(body, "Binds", request.binds);
    take(body, "Mounts", request.mounts);
    TRY(check_targets(request));
    for (const auto& name : request.remove_networks)
        if (request.networks.contains(name)) return invalid("network " + name + ": both connected and disconnected");
    return request;
}

}  // namespace pila::engine
