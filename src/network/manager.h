// SPDX-License-Identifier: Apache-2.0
#pragma once
// The network manager: who is on which network with which address. Memory is guarded by one mutex that is never held
// over a system call; work on one container is serialised by its id, creating and removing networks by one lock.

#include <map>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/keyed_lock.h"
#include "network/dns_server.h"
#include "network/firewall.h"
#include "network/helper_client.h"
#include "network/host_ports.h"
#include "network/name_table.h"
#include "network/neighbours.h"
#include "network/prepared_pool.h"
#include "network/reaper.h"
#include "network/sandbox.h"

namespace pila::network {

// Whether a link has a name that we give to our side of a container's pair.
bool is_host_link(const std::string& instance, const std::string& name);

class Manager final : public NetworkManager {
public:
    static Result<std::unique_ptr<NetworkManager>> create(Options options, store::Store& store);
    Manager(Options options, store::Store& store, os::net::NetlinkSocket route);
    ~Manager() override;

    Result<void> recover(const std::vector<LiveContainer>& live) override;
    Result<Network> create_network(const Context& context, NetworkSpec spec) override;
    Result<void> remove_network(const Context& context, std::string_view name_or_id) override;
    Result<Network> find(std::string_view name_or_id) override;
    std::vector<Network> list() override;
    Result<Sandbox> attach(const Context& context, const AttachRequest& request) override;
    void detach(const std::string& container_id) override;
    void start_ended() override { pool_.refill(); }
    Result<Endpoint> connect(const Context& context, const std::string& container_id,
                             const EndpointRequest& request) override;
    Result<void> disconnect(const Context& context, const std::string& container_id, std::string_view network) override;
    void rename_container(const std::string& container_id, const std::string& name) override;
    Result<PortChange> change_ports(const Context& context, const std::string& container_id,
                                    const std::vector<PortRequest>& add,
                                    const std::vector<PublishedPort>& remove) override;
    void settle_ports(const std::string& container_id, Settle how) override;
    std::optional<store::Change> record_of(const std::string& container_id) override;
    std::vector<Endpoint> endpoints_of(const std::string& container_id) override;
    std::vector<PublishedPort> ports_of(const std::string& container_id) override;
    std::vector<MovedRelay> relays_of(const std::string& container_id) override;

    void wait_until_idle();  // tests: pool full, nothing left to take down
    // For uninstalling: bridges, tables, pool; nothing of this instance is left on the machine.
    void remove_everything() override;

private:
    using NetworkPtr = std::shared_ptr<NetworkState>;
    struct Building;  // an attachment under way; undone unless finished

    // Recovery (manager.cpp)
    Result<std::vector<SandboxState>> read_sandboxes(const std::vector<LiveContainer>& live);
    void adopt(SandboxState sandbox);
    Result<void> bring_up_all(const std::vector<std::string>& kept_links);

    // Networks (manager_networks.cpp)
    Result<void> load_networks();
    Result<void> ensure_default_network(const std::vector<SandboxState>& living);
    bool keeps_default_network(const std::vector<SandboxState>& living, const std::vector<os::net::Prefix>& host) const;
    Result<void> bring_up(NetworkState& network);
    std::string bridge_name(const std::string& network_id) const;
    Result<NetworkPtr> find_network(std::string_view name_or_id) REQUIRES(mutex_);
    Result<void> forget_network(const NetworkState& network);
    Result<void> remove_doomed();
    bool has_endpoints(const NetworkState& network) const REQUIRES(mutex_);
    Result<NetworkPtr> begin_removal(std::string_view name_or_id);
    Network describe(const NetworkState& network) const REQUIRES(mutex_);
    std::vector<os::net::Prefix> own_subnets() const REQUIRES(mutex_);

    // Names (manager_connect.cpp)
    void add_names(const SandboxState& sandbox);
    void remove_names(const SandboxState& sandbox);
    Result<void> serve_names(const SandboxState& sandbox);

    // Connecting (manager_connect.cpp)
    struct Connected;  // what connect and disconnect need of a sandbox, copied out
    Result<Connected> connected(const std::string& container_id);
    Result<void> route_outside(const Connected& sandbox);
    Result<void> move_ports(const std::string& container_id);
    Result<void> save(const std::string& container_id);

    // Attaching (manager_attach.cpp)
    Result<void> build_endpoints(const AttachRequest& request, Building& building, Sandbox& sandbox);
    Result<Sandbox> attach_without_network(const AttachRequest& request);
    Result<Prepared> prepare(PreparedPool::Kind kind, FdView owner = FdView(-1));
    Result<Prepared> claim(PreparedPool::Kind kind, FdView owner);
    Result<NetworkPtr> network_for(const EndpointRequest& request);
    Result<EndpointState> reserve(NetworkState& network, const EndpointRequest& request) REQUIRES(mutex_);
    Result<EndpointState> reserve_on(NetworkState& network, const EndpointRequest& request);
    Result<int> plug(const NetworkState& network, EndpointState& endpoint, FdView space,
                     os::net::NetlinkSocket& inside);
    void give_back(const std::vector<EndpointState>& endpoints);
    void take_down(SandboxState sandbox);
    struct Outside {  // the endpoint that published ports lead to
        NetworkPtr network;
        EndpointState endpoint;
    };
    Result<TakenPorts> publish(const Outside& outside, const std::string& container_name,
                               const std::vector<PortRequest>& ports, const GivenPorts& given = {});
    void take_back_rules(const std::vector<PortRule>& added, const std::vector<PortRule>& former);
    void settle_datagrams(const std::vector<PortRule>& rules);
    bool port_in_use(std::uint8_t protocol, const os::net::IpAddress& host, std::uint16_t port);
    void index_ports(const std::vector<PortRule>& rules, bool add) REQUIRES(mutex_);

    const Options options_;
    store::Store& store_;
    HelperClient helper_;
    os::net::NetlinkSocket route_;  // of the host
    Firewall firewall_;
    Neighbours neighbours_;
    NameTable names_;
    std::unique_ptr<DnsServer> dns_;
    KeyedLock containers_, changes_;
    Mutex mutex_;
    std::map<std::string, NetworkPtr> networks_ GUARDED_BY(mutex_);               // by id
    NetworkPtr default_network_;                                                  // set once by recover()
    std::unordered_map<std::string, SandboxState> sandboxes_ GUARDED_BY(mutex_);  // by container id
    std::unordered_multimap<std::uint32_t, os::net::IpAddress> used_ports_ GUARDED_BY(mutex_);
    Reaper reaper_;
    PreparedPool pool_;
};

}  // namespace pila::network
