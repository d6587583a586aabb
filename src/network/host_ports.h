// SPDX-License-Identifier: Apache-2.0
#pragma once
// Published ports on the host's side. Every one is really taken by a bound socket, so that a second user of the port
// gets EADDRINUSE, whoever came first. IPv4 connections never reach the socket (the kernel translates them before);
// what the kernel cannot translate (::1, IPv6 host addresses to an IPv4-only container) is accepted there and relayed
// by the shim.

#include <functional>
#include <string>
#include <vector>

#include "network/firewall.h"
#include "network/network.h"

namespace pila::network {

struct PortTargets {
    os::net::IpAddress ipv4;  // of the container
    std::optional<os::net::IpAddress> ipv6;
    std::string default_host_ip;             // of the network: com.docker.network.bridge.host_binding_ipv4
    std::string endpoint_name, endpoint_id;  // for error texts
    bool translate = true;                   // false: no nftables, everything is relayed
};

struct TakenPorts {
    std::vector<PublishedPort> published;
    std::vector<Fd> held;
    std::vector<Relay> relays;
    std::vector<PortRule> rules;
    std::vector<std::size_t> listening;  // of `held`: to be opened for connections by open_ports()
    std::vector<PublishedPort> moved;    // of `published`: no new socket
    std::vector<MovedRelay> moved_relays;
};

// What the same container gives up in the same breath: ports that it may keep for another use, and their rules.
struct GivenPorts {
    std::vector<PublishedPort> ports;
    std::vector<PortRule> rules;
};

// Who of our own containers has a port (sockets cannot tell whose they are).
using PortInUse = std::function<bool(std::uint8_t protocol, const os::net::IpAddress& host, std::uint16_t port)>;

// Conflict with Docker's text if a port is taken.
Result<TakenPorts> take_ports(const std::vector<PortRequest>& requests, const PortTargets& targets,
                              const PortInUse& in_use, const GivenPorts& given = {});
// To be called once the rules are in force: no connection may wait here that the kernel will translate.
Result<void> open_ports(TakenPorts& ports, const PortTargets& targets);

std::optional<std::uint8_t> protocol_number(std::string_view name);  // tcp, udp, sctp

// The range random host ports come from (net.ipv4.ip_local_port_range; 49153-65535 if unreadable).
struct PortRange {
    std::uint16_t first, last;
};
PortRange dynamic_port_range(std::string_view ip_local_port_range);

}  // namespace pila::network
