// SPDX-License-Identifier: Apache-2.0
#pragma once
// The body of POST /containers/{id}/set and what it makes of a container's settings. Nothing here touches anything.

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "engine/container.h"
#include "engine/spec.h"

namespace pila::engine {

struct PortRemoval {
    std::string protocol;
    std::uint16_t container_port = 0;
    std::string host_ip;                             // "": any
    std::uint16_t host_port = 0, host_port_end = 0;  // 0: any
};

struct SetRequest {
    json::object limits;  // members of /update
    // As they go into the stored settings.
    json::object port_bindings, networks, tmpfs;
    json::array binds, mounts;
    // What they say.
    std::vector<network::PortRequest> add_ports;
    std::vector<MountSpec> add_mounts;
    std::vector<network::EndpointRequest> add_networks;
    std::vector<PortRemoval> remove_ports;
    std::vector<std::string> remove_mounts, remove_networks;
    bool force = false;  // unmount what is in use

    bool empty() const;
    bool touches_ports() const { return !add_ports.empty() || !remove_ports.empty(); }
    bool touches_mounts() const { return !add_mounts.empty() || !remove_mounts.empty(); }
    bool touches_networks() const { return !add_networks.empty() || !remove_networks.empty(); }
};

// Invalid: an unknown member, a wrong type, or what create would refuse.
Result<SetRequest> read_set_request(const json::object& body);

// What becomes of a container that has `published` ports (none unless it runs).
struct SetPlan {
    SpecPointer spec;
    std::vector<network::PublishedPort> gone_ports;
    std::vector<VolumeMount> kept_mounts, gone_mounts;  // of those it has
};
struct SetSubject {
    const ContainerSpec& spec;
    const std::vector<VolumeMount>& mounts;
    const std::vector<network::PublishedPort>& published;
    const std::vector<std::string>& ports_of_image;  // "80/tcp", "80": stay exposed
};
// Network names in the request are those of the networks themselves. NotFound, Conflict: what cannot be.
Result<SetPlan> plan_set(const SetRequest& request, const SetSubject& subject);

// "/data/" and "//data" are "/data".
std::string clean_target(std::string_view path);

}  // namespace pila::engine
