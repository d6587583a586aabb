// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parts of reading a ContainerSpec from Docker's JSON, one file each.

#include "engine/spec.h"
#include "runtime/plan.h"

namespace pila::engine {

Result<void> read_config(const json::object& config, ContainerSpec& spec);
Result<void> read_host_config(const json::object& host, ContainerSpec& spec);
// "c 10:* rwm"
Result<runtime::DeviceRule> parse_device_rule(std::string_view text);
// Binds, Mounts, Tmpfs
Result<void> read_mounts(const json::object& host, ContainerSpec& spec);
Result<void> read_networking(const json::object& endpoints, ContainerSpec& spec);

// "8080", "8000-8010", "" -> first and last; "80/tcp" -> port and protocol.
Result<std::pair<std::uint16_t, std::uint16_t>> parse_port_range(std::string_view text);
// One of PortBindings' lists. 0: any port.
struct HostPort {
    std::string ip;
    std::uint16_t first = 0, last = 0;
};
Result<HostPort> read_host_port(const json::value& binding, std::string_view field);
struct ContainerPort {
    std::uint16_t port;
    std::string protocol;
};
Result<ContainerPort> parse_container_port(std::string_view text);
// "/host:/in:ro,z", "name:/in", "/in"
Result<MountSpec> parse_bind(std::string_view text);

}  // namespace pila::engine
