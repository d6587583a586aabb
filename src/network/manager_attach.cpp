// SPDX-License-Identifier: Apache-2.0
// Containers: attaching, detaching, connecting, disconnecting them.
#include "network/manager.h"

#include <algorithm>

#include <fmt/core.h>
#include <netinet/in.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "base/random.h"
#include "base/text.h"
#include "network/bridge.h"
#include "network/endpoint.h"
#include "network/record.h"
#include "os/net/route.h"

namespace pila::network {

using os::net::Batch;
using os::net::Family;
using os::net::IpAddress;
using os::net::NetlinkSocket;
using os::net::Prefix;

// An attachment under way: taken down again unless it is finished.
struct Manager::Building {
    explicit Building(Manager& owner) : manager(owner) {}
    ~Building() {
        if (!finished) manager.take_down(std::move(state));
    }
    Manager& manager;
    SandboxState state;
    bool finished = false;
};

static constexpr std::size_t link_digits = 8;

// "pilav" and two digits that tell instances apart whose names begin alike.
static std::string host_link_prefix(const std::string& instance) {
    std::uint32_t hash = 2166136261;  // FNV-1a
    for (unsigned char c : instance) hash = (hash ^ c) * 16777619;
    return fmt::format("{}v{:02x}", instance.substr(0, 4), (hash ^ hash >> 16) & 0xff);
}

static std::string host_link_name(const std::string& instance) {
    return host_link_prefix(instance) + random_hex(link_digits);
}

bool is_host_link(const std::string& instance, const std::string& name) {
    auto prefix = host_link_prefix(instance);
    return name.size() == prefix.size() + link_digits && name.starts_with(prefix) &&
           is_hex(std::string_view(name).substr(prefix.size()));
}

static Result<void> take_requested(NetworkState& network, Family family, const std::string& text, std::string& out) {
    auto* pool = network.pool(family);
    if (text.empty()) {
        if (pool) out = TRY(pool->take()).text();
        return {};
    }
    auto address = IpAddress::parse(text);
    if (!address || address->family() != family) return Error(Errc::Invalid, "invalid IP address: " + text);
    if (network.info.builtin)
        return Error(Errc::Invalid, "user specified IP address is supported on user defined networks only");
    if (!network.subnet_configured)
        return Error(Errc::Invalid,
                     "user specified IP address is supported only when connecting to networks with user "
                     "configured subnets");
    auto* holder = network.pool_with(*address);
    if (!holder) return Error(Errc::Invalid, fmt::format("no configured subnet contains IP address {}", text));
    TRY(holder->take(*address));
    out = address->text();
    return {};
}

static void release(NetworkState& network, const std::string& text) {
    auto address = IpAddress::parse(text);
    auto* pool = address ? network.pool_with(*address) : nullptr;
    if (pool) pool->give_back(*address);
}

static std::uint8_t prefix_length_for(NetworkState& network, const std::string& text) {
    auto address = IpAddress::parse(text);
    auto* pool = address ? network.pool_with(*address) : nullptr;
    return pool ? pool->subnet().length : 0;
}

Result<EndpointState> Manager::reserve(NetworkState& network, const EndpointRequest& request) {
    EndpointState endpoint;
    auto& info = endpoint.info;
    std::optional<os::net::Mac> mac;
    if (!request.mac_address.empty()) {
        mac = os::net::parse_mac(request.mac_address);
        if (!mac || (*mac)[0] & 1) return Error(Errc::Invalid, "invalid MAC address: " + request.mac_address);
    }
    TRY(take_requested(network, Family::V4, request.ipv4, info.ipv4));
    auto v6 = take_requested(network, Family::V6, request.ipv6, info.ipv6);
    if (!v6) {
        release(network, info.ipv4);
        return v6.take_error();
    }
    info.network_id = network.info.id;
    info.network_name = network.info.spec.name;
    info.endpoint_id = random_hex(64);
    info.prefix_length = prefix_length_for(network, info.ipv4);
    info.ipv6_prefix_length = info.ipv6.empty() ? 0 : prefix_length_for(network, info.ipv6);
    if (!network.info.spec.internal) {
        if (auto gateway = network.gateway(Family::V4)) info.gateway = gateway->text();
        if (auto gateway = network.gateway(Family::V6)) info.ipv6_gateway = gateway->text();
    }
    auto address = IpAddress::parse(info.ipv4);
    info.mac_address = os::net::mac_text(mac || !address ? mac.value_or(os::net::Mac{}) : mac_of_address(*address));
    info.aliases = request.aliases;
    endpoint.host_link = host_link_name(options_.instance);
    endpoint.named = !network.info.builtin;
    endpoint.internal = network.info.spec.internal;
    ++network.users;
    return endpoint;
}

Result<EndpointState> Manager::reserve_on(NetworkState& network, const EndpointRequest& request) {
    for (bool again = false;; again = true) {
        {
            Lock lock(mutex_);
            if (network.removing)
                return Error(Errc::NotFound, fmt::format("network {} not found", network.info.spec.name));
            auto reserved = reserve(network, request);
            if (reserved || reserved.error().code() != Errc::Conflict || again) return reserved;
        }
        reaper_.flush();  // of a container that has just ended, as this one's former self in a restart
    }
}

void Manager::give_back(const std::vector<EndpointState>& endpoints) {
    Lock lock(mutex_);
    for (const auto& endpoint : endpoints) {
        auto network = networks_.find(endpoint.info.network_id);
        if (network == networks_.end()) continue;
        release(*network->second, endpoint.info.ipv4);
        release(*network->second, endpoint.info.ipv6);
        if (network->second->users) --network->second->users;
    }
}

// Creates the pair and gives the container's side its addresses. Returns the index of that side.
Result<int> Manager::plug(const NetworkState& network, EndpointState& endpoint, FdView space, NetlinkSocket& inside) {
    if (!network.bridge_index)
        return Error(Errc::Unavailable,
                     fmt::format("the bridge of network {} could not be made; the daemon's log says why",
                                 network.info.spec.name));
    auto& info = endpoint.info;
    os::net::VethSpec pair;
    pair.name = endpoint.host_link;
    pair.master = network.bridge;
    pair.master_index = network.bridge_index;
    pair.mtu = network.mtu;
    pair.isolated = !network.inter_container;
    pair.peer_namespace = space.get();
    pair.peer_name = info.interface;
    pair.peer_mac = os::net::parse_mac(info.mac_address);
    Batch outside;
    os::net::add_veth(outside, pair);
    TRY(route_.run(outside));

    int index = TRY(os::net::find_link(inside, info.interface)).index;
    if (!info.ipv6.empty())
        TRY(helper_.write_sysctl(space, fmt::format("net/ipv6/conf/{}/disable_ipv6", info.interface), "0"));
    Batch batch;
    if (auto address = IpAddress::parse(info.ipv4)) os::net::add_address(batch, index, {*address, info.prefix_length});
    if (auto address = IpAddress::parse(info.ipv6))
        os::net::add_address(batch, index, {*address, info.ipv6_prefix_length});
    os::net::set_link_up(batch, index, info.interface);
    TRY(inside.run(batch));
    return index;
}

Result<Prepared> Manager::prepare(PreparedPool::Kind kind, FdView owner) {
    auto made = TRY(helper_.new_namespace(owner));
    Prepared prepared{std::move(made.space), std::make_unique<NetlinkSocket>(std::move(made.netlink)), {}, {}};
    if (kind == PreparedPool::Kind::Bare) return prepared;
    EndpointState endpoint;
    {
        Lock lock(mutex_);
        endpoint = TRY(reserve(*default_network_, {}));
    }
    endpoint.info.interface = "eth0";
    auto index = plug(*default_network_, endpoint, prepared.space, *prepared.netlink);
    if (index) {
        Batch routes;
        add_default_routes(routes, endpoint.info, *index);
        auto routed = prepared.netlink->run(routes);
        if (!routed) index = routed.take_error();
    }
    if (!index) {
        reaper_.add({{endpoint.host_link}, {}, {std::move(endpoint)}, {}});
        return index.take_error();
    }
    prepared.endpoint = std::move(endpoint.info);
    prepared.host_link = std::move(endpoint.host_link);
    return prepared;
}

Result<Prepared> Manager::claim(PreparedPool::Kind kind, FdView owner) {
    if (owner.get() >= 0) return prepare(kind, owner);
    auto ready = pool_.claim(kind);
    if (ready) return std::move(*ready);
    return prepare(kind);
}

Result<Manager::NetworkPtr> Manager::network_for(const EndpointRequest& request) {
    Lock lock(mutex_);
    if (request.network == "default") return default_network_;
    auto network = TRY(find_network(request.network));
    if (!network->bridge.empty()) return network;
    return Error(Errc::Denied, network->info.spec.driver == "host"
                                   ? "container cannot be disconnected from host network or connected to host network"
                                   : "container cannot be connected to multiple networks with one of the networks in "
                                     "private (none) mode");
}

static std::vector<PortRule> datagram_ports(const std::vector<PortRule>& rules) {
    std::vector<PortRule> result;
    for (const auto& rule : rules)
        if (rule.protocol == IPPROTO_UDP) result.push_back(rule);
    return result;
}

void Manager::settle_datagrams(const std::vector<PortRule>& rules) {
    Remains stale;
    stale.changed_ports = datagram_ports(rules);
    if (!stale.changed_ports.empty()) reaper_.add(std::move(stale));
}

Result<TakenPorts> Manager::publish(const Outside& outside, const std::string& container_name,
                                    const std::vector<PortRequest>& ports, const GivenPorts& given) {
    const auto& endpoint = outside.endpoint.info;
    auto ipv4 = IpAddress::parse(endpoint.ipv4);
    if (!ipv4) return Error(Errc::Internal, "endpoint without address");
    PortTargets targets{*ipv4,
                        IpAddress::parse(endpoint.ipv6),
                        outside.network->host_binding,
                        container_name,
                        endpoint.endpoint_id,
                        firewall_.usable()};
    // With br_netfilter the bridge itself translates, and a container that calls its own published port stays on one
    // port of it.
    Batch hairpin;
    os::net::set_hairpin(hairpin, outside.endpoint.host_link);
    TRY(route_.run(hairpin));
    auto in_use = [this](auto protocol, const auto& host, auto port) { return port_in_use(protocol, host, port); };
    auto taken = TRY(take_ports(ports, targets, in_use, given));
    auto added = firewall_.add_ports(taken.rules);
    if (added) added = open_ports(taken, targets);
    if (!added) {
        take_back_rules(taken.rules, given.rules);
        return added.take_error();
    }
    return taken;
}

Result<void> Manager::build_endpoints(const AttachRequest& request, Building& building, Sandbox& sandbox) {
    bool simple = request.endpoints.size() == 1 && request.endpoints[0].ipv4.empty() &&
                  request.endpoints[0].ipv6.empty() && request.endpoints[0].mac_address.empty();
    std::vector<NetworkPtr> networks;
    for (const auto& endpoint : request.endpoints) networks.push_back(TRY(network_for(endpoint)));
    simple = simple && networks[0] == default_network_;
    auto prepared =
        TRY(claim(simple ? PreparedPool::Kind::Attached : PreparedPool::Kind::Bare, request.user_namespace));
    auto& state = building.state;
    if (simple) {
        auto& endpoint = state.endpoints.emplace_back();
        endpoint.info = std::move(*prepared.endpoint);
        endpoint.host_link = std::move(prepared.host_link);
        endpoint.info.aliases = request.endpoints[0].aliases;
    } else {
        std::vector<int> indexes;
        for (std::size_t i = 0; i < networks.size(); ++i) {
            auto& network = *networks[i];
            state.endpoints.push_back(TRY(reserve_on(network, request.endpoints[i])));
            auto& endpoint = state.endpoints.back();
            endpoint.info.interface = fmt::format("eth{}", i);
            name_endpoint(endpoint, state);
            indexes.push_back(TRY(plug(network, endpoint, prepared.space, *prepared.netlink)));
            sandbox.embedded_dns = sandbox.embedded_dns || endpoint.named;
        }
        int gateway = gateway_endpoint(state.endpoints);
        if (gateway >= 0) {
            auto at = static_cast<std::size_t>(gateway);
            Batch routes;
            add_default_routes(routes, state.endpoints[at].info, indexes[at]);
            TRY(prepared.netlink->run(routes));
        }
    }
    sandbox.network_namespace = std::move(prepared.space);
    return {};
}

Result<Sandbox> Manager::attach(const Context& context, const AttachRequest& request) {
    TRY(context.check());
    if (!options_.enabled) return attach_without_network(request);
    auto one_at_a_time = containers_.lock(request.container_id);
    {
        Lock lock(mutex_);
        if (sandboxes_.contains(request.container_id))
            return Error(Errc::Conflict, fmt::format("container {} has a network already", request.container_id));
    }
    Building building(*this);
    auto& state = building.state;
    state.container_id = request.container_id;
    state.container_name = request.container_name;
    state.hostname = request.hostname;
    state.dns_servers = request.dns_servers;
    Sandbox sandbox;
    TRY(build_endpoints(request, building, sandbox));
    state.space = TRY(sandbox.network_namespace.duplicate());
    if (sandbox.embedded_dns) {
        add_names(state);
        TRY(serve_names(state));
    }

    int gateway = gateway_endpoint(state.endpoints);
    if (!request.ports.empty() && gateway >= 0) {
        Outside outside{nullptr, state.endpoints[static_cast<std::size_t>(gateway)]};
        {
            Lock lock(mutex_);
            outside.network = TRY(find_network(outside.endpoint.info.network_id));
        }
        auto taken = TRY(publish(outside, state.container_name, request.ports));
        state.rules = std::move(taken.rules);
        state.ports = sandbox.ports = std::move(taken.published);
        sandbox.held = std::move(taken.held);
        sandbox.relays = std::move(taken.relays);
        settle_datagrams(state.rules);
    }
    for (const auto& endpoint : state.endpoints) sandbox.endpoints.push_back(endpoint.info);
    PILA_FAILPOINT("network.attach.before-store");
    state.key = fmt::format("{}{}/{}", sandbox_prefix, state.container_id, random_hex(8));
    TRY(store_.put(state.key, to_record(state)));
    Lock lock(mutex_);
    index_ports(state.rules, true);
    building.finished = true;
    auto id = state.container_id;
    sandboxes_.emplace(std::move(id), std::move(state));
    return sandbox;
}

Result<Sandbox> Manager::attach_without_network(const AttachRequest& request) {
    if (!request.endpoints.empty())
        return Error(Errc::Unsupported, "networks need root (CAP_NET_ADMIN) and nftables; only none and host exist");
    auto made = TRY(helper_.new_namespace(request.user_namespace));
    Sandbox sandbox;
    sandbox.network_namespace = std::move(made.space);
    return sandbox;
}

void Manager::take_down(SandboxState sandbox) {
    remove_names(sandbox);
    dns_->stop(sandbox.container_id);
    firewall_.remove_ports_later(sandbox.rules);
    Remains remains;
    remains.changed_ports = datagram_ports(sandbox.rules);
    for (const auto& endpoint : sandbox.endpoints) remains.links.push_back(endpoint.host_link);
    if (!sandbox.key.empty()) remains.store_keys.push_back(std::move(sandbox.key));
    remains.endpoints = std::move(sandbox.endpoints);
    if (sandbox.space) remains.spaces.push_back(std::move(sandbox.space));
    reaper_.add(std::move(remains));
}

void Manager::detach(const std::string& container_id) {
    auto one_at_a_time = containers_.lock(container_id);
    SandboxState sandbox;
    {
        Lock lock(mutex_);
        auto found = sandboxes_.find(container_id);
        if (found == sandboxes_.end()) return;
        sandbox = std::move(found->second);
        sandboxes_.erase(found);
        index_ports(sandbox.rules, false);
    }
    take_down(std::move(sandbox));
}

void Manager::rename_container(const std::string& container_id, const std::string& name) {
    auto one_at_a_time = containers_.lock(container_id);
    std::string key, record;
    {
        Lock lock(mutex_);
        auto found = sandboxes_.find(container_id);
        if (found == sandboxes_.end()) return;
        auto& sandbox = found->second;
        sandbox.container_name = name;
        for (auto& endpoint : sandbox.endpoints) name_endpoint(endpoint, sandbox);
        add_names(sandbox);
        key = sandbox.key;
        record = to_record(sandbox);
    }
    auto stored = store_.put(key, record);
    if (!stored) log::error("network: renaming {}: {}", name, stored.error().message());
}

}  // namespace pila::network
