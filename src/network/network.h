// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bridge networks, addresses, names and published ports for containers. Never shells out; never enters a namespace:
// the helper process makes network namespaces and opens sockets inside them.
//
// What it owns on the machine, all named after the instance ("pila" for the default one): bridges (pila0 for the
// network "bridge", pila-<12 hex of the id> for others), veth pairs, one nftables table. Namespaces are kept by
// descriptors only (the shim of the container holds one), so nothing is left behind when their holders end. Files:
// none; networks and attachments are in the node store under "network/". recover(): rebuilds the table for the
// attachments that live on, removes links and rules of the others. Threads: any. One thread refills the pool of ready
// namespaces, one serves embedded DNS.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/fd.h"
#include "base/time.h"
#include "store/store.h"

namespace pila::network {

struct Subnet {
    std::string subnet;    // "172.18.0.0/16"
    std::string ip_range;  // "" or part of it
    std::string gateway;   // "172.18.0.1"
    std::map<std::string, std::string> auxiliary_addresses;
};

struct NetworkSpec {
    std::string name;
    std::string driver = "bridge";  // bridge, host, none ("null" in Docker's answers)
    bool internal = false, attachable = false, enable_ipv6 = false;
    std::vector<Subnet> subnets;  // empty: chosen, avoiding the host's routes
    std::map<std::string, std::string> options, labels;
};

struct Attached {  // a container on a network, as `network inspect` shows it
    std::string container_id, container_name, endpoint_id, mac_address, ipv4_with_prefix, ipv6_with_prefix;
};

struct Network {
    std::string id;  // 64 hex digits
    WallTime created;
    NetworkSpec spec;  // with the chosen subnets filled in
    bool builtin = false;
    std::vector<Attached> attached;
};

struct EndpointRequest {
    std::string network;  // name or id (or unique prefix)
    std::vector<std::string> aliases;
    std::string ipv4, ipv6, mac_address;  // "": chosen
};

struct Endpoint {
    std::string network_id, network_name, endpoint_id;
    std::string ipv4, gateway, mac_address;  // "172.17.0.2"
    std::uint8_t prefix_length = 0;
    std::string ipv6, ipv6_gateway;
    std::uint8_t ipv6_prefix_length = 0;
    std::vector<std::string> aliases, dns_names;
    std::string interface;  // inside: "eth0"
};

struct PortRequest {
    std::string protocol = "tcp";  // tcp, udp, sctp
    std::uint16_t container_port = 0;
    std::string host_ip;                             // "": all addresses, IPv4 and IPv6
    std::uint16_t host_port = 0, host_port_end = 0;  // 0: any free one; a range: the first free one in it
};

struct PublishedPort {
    std::string protocol;
    std::uint16_t container_port, host_port;
    std::string host_ip;  // "0.0.0.0", "::", "127.0.0.1"
};

struct AttachRequest {
    std::string container_id, container_name, hostname;
    std::vector<EndpointRequest> endpoints;  // empty: only lo (network none)
    std::vector<PortRequest> ports;
    std::vector<std::string> dns_servers;  // --dns: what the embedded name server asks; empty: the host's
    FdView user_namespace{-1};             // that owns the container's network; -1: the daemon's
};

struct Relay {
    std::size_t listen_fd;  // index into Sandbox::held
    std::string address;
    std::uint16_t port;
};

// What a container is started with.
struct Sandbox {
    Fd network_namespace;
    std::vector<Endpoint> endpoints;
    std::vector<PublishedPort> ports;
    std::vector<Fd> held;  // sockets that take the host's ports; the shim keeps them as long as the container lives
    std::vector<Relay> relays;  // ports on ::1 that the kernel cannot rewrite: the shim relays them
    bool embedded_dns = false;  // resolv.conf names 127.0.0.11
};

// A relayed port of the host that stays held and leads to another port of the container.
struct MovedRelay {
    std::string host_ip;
    std::uint16_t host_port;
    std::string address;
    std::uint16_t port, former_port;
};

// Ports that a running container gets and gives up, as far as they have changed hands yet.
struct PortChange {
    std::vector<PublishedPort> published;  // once it is settled
    std::vector<PublishedPort> added, gone;
    std::vector<PublishedPort> moved;  // of `added`: the host's port is one of `gone`, its socket stays where it is
    std::vector<MovedRelay> moved_relays;
    std::vector<Fd> held;       // for its shim, as in Sandbox
    std::vector<Relay> relays;  // of `held`
};

struct Options {
    std::string instance = "pila";
    std::string runtime_exe;     // pila-runtime, for the helper
    std::string default_subnet;  // of the network "bridge"; "": chosen
    unsigned pool_size = 8;
    bool enabled = true;  // false (no CAP_NET_ADMIN, rootless): only none and host exist
};

// A container whose shim lives on over a restart of the daemon.
struct LiveContainer {
    LiveContainer(std::string container_id, int container_pid = 0) : id(std::move(container_id)), pid(container_pid) {}
    std::string id;
    int pid;  // of its first process, in the daemon's pid namespace; 0: names, connect and disconnect do not work
};

class NetworkManager {
public:
    static Result<std::unique_ptr<NetworkManager>> create(Options options, store::Store& store);
    virtual ~NetworkManager() = default;

    // Called once before anything else: the containers whose shims live on.
    virtual Result<void> recover(const std::vector<LiveContainer>& live) = 0;

    virtual Result<Network> create_network(const Context& context, NetworkSpec spec) = 0;
    virtual Result<void> remove_network(const Context& context, std::string_view name_or_id) = 0;  // Conflict: in use
    virtual Result<Network> find(std::string_view name_or_id) = 0;
    virtual std::vector<Network> list() = 0;

    // Before the container starts. Ports that are taken: Conflict, "driver failed programming external connectivity
    // on endpoint NAME (ID): Bind for 0.0.0.0:80 failed: port is already allocated".
    virtual Result<Sandbox> attach(const Context& context, const AttachRequest& request) = 0;
    // After it ended; cheap for the caller, the rest is batched. Unknown ids are fine.
    // The start that attach() was for has come to its end: work that stood back for it may go on.
    virtual void start_ended() = 0;
    virtual void detach(const std::string& container_id) = 0;

    // network connect and disconnect of a running container.
    virtual Result<Endpoint> connect(const Context& context, const std::string& container_id,
                                     const EndpointRequest& request) = 0;
    virtual Result<void> disconnect(const Context& context, const std::string& container_id,
                                    std::string_view network) = 0;
    // Publishes ports of a running container and unpublishes others, in two steps. The first one puts `add` in force
    // and looks whether it can be done: nothing is stored, and what is to go is still there. Texts as with attach().
    virtual Result<PortChange> change_ports(const Context& context, const std::string& container_id,
                                            const std::vector<PortRequest>& add,
                                            const std::vector<PublishedPort>& remove) = 0;
    enum class Settle : std::uint8_t { Keep, TakeBack };
    // The second one. Keep: what was to be removed takes no connections from here on, established ones go on.
    virtual void settle_ports(const std::string& container_id, Settle how) = 0;
    // What the store holds of the container's network, once a change of ports is kept; nullopt: it has none. For who
    // changes it together with records of its own.
    virtual std::optional<store::Change> record_of(const std::string& container_id) = 0;
    // Who is connected to what, as far as there is a network of its own.
    virtual std::vector<Endpoint> endpoints_of(const std::string& container_id) = 0;
    virtual std::vector<PublishedPort> ports_of(const std::string& container_id) = 0;
    // Where its relays are to lead; `former_port` is the same.
    virtual std::vector<MovedRelay> relays_of(const std::string& container_id) = 0;

    // When nothing runs and the daemon ends: bridges and rules go; networks stay recorded and come back with recover().
    virtual void remove_everything() = 0;
    virtual void rename_container(const std::string& container_id, const std::string& name) = 0;
};

}  // namespace pila::network
