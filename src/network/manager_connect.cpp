// SPDX-License-Identifier: Apache-2.0
// Changes to running containers: connecting, disconnecting, their names.
#include <algorithm>

#include <fmt/core.h>

#include "base/log.h"
#include "network/endpoint.h"
#include "network/manager.h"
#include "network/record.h"
#include "os/net/route.h"

namespace pila::network {

using os::net::Batch;
using os::net::IpAddress;
using os::net::NetlinkSocket;

void Manager::add_names(const SandboxState& sandbox) {
    for (const auto& endpoint : sandbox.endpoints) {
        if (!endpoint.named) continue;
        const auto& info = endpoint.info;
        names_.add({info.network_id, info.network_name, sandbox.container_id, info.dns_names,
                    IpAddress::parse(info.ipv4), IpAddress::parse(info.ipv6)});
    }
}

void Manager::remove_names(const SandboxState& sandbox) {
    for (const auto& endpoint : sandbox.endpoints)
        if (endpoint.named) names_.remove(endpoint.info.network_id, sandbox.container_id);
}

static bool may_ask_outside(const std::vector<EndpointState>& endpoints) {
    return std::any_of(endpoints.begin(), endpoints.end(), [](const auto& endpoint) { return !endpoint.internal; });
}

Result<void> Manager::serve_names(const SandboxState& sandbox) {
    auto named = [](const auto& endpoint) { return endpoint.named; };
    if (!std::any_of(sandbox.endpoints.begin(), sandbox.endpoints.end(), named) || !sandbox.space) return {};
    DnsClient client{sandbox.container_id, {}, may_ask_outside(sandbox.endpoints)};
    for (const auto& text : sandbox.dns_servers)
        if (auto address = IpAddress::parse(text)) client.servers.push_back(*address);
    return dns_->serve(client, sandbox.space);
}

struct Manager::Connected {
    SandboxState state;  // a copy; `space` is a duplicate
    std::unique_ptr<NetlinkSocket> inside;
};

Result<Manager::Connected> Manager::connected(const std::string& container_id) {
    Connected result;
    {
        Lock lock(mutex_);
        auto found = sandboxes_.find(container_id);
        if (found == sandboxes_.end())
            return Error(Errc::NotFound, fmt::format("container {} has no network of its own", container_id));
        const auto& state = found->second;
        if (!state.space)
            return Error(Errc::Unavailable,
                         fmt::format("the network of container {} is not within reach", container_id));
        result.state.container_id = state.container_id;
        result.state.container_name = state.container_name;
        result.state.hostname = state.hostname;
        result.state.endpoints = state.endpoints;
        result.state.rules = state.rules;
        result.state.dns_servers = state.dns_servers;
        result.state.space = TRY(state.space.duplicate());
    }
    auto inside = TRY(helper_.open_netlink(result.state.space));
    result.inside = std::make_unique<NetlinkSocket>(std::move(inside));
    return result;
}

// The default route through the endpoint that leads outside now.
Result<void> Manager::route_outside(const Connected& sandbox) {
    int gateway = gateway_endpoint(sandbox.state.endpoints);
    if (gateway < 0) return {};
    const auto& info = sandbox.state.endpoints[static_cast<std::size_t>(gateway)].info;
    Batch batch;
    add_default_routes(batch, info, TRY(os::net::find_link(*sandbox.inside, info.interface)).index);
    return sandbox.inside->run(batch);
}

// Published ports lead to the endpoint that leads outside. The sockets that hold them stay with the shim.
Result<void> Manager::move_ports(const std::string& container_id) {
    std::vector<PortRule> old_rules, new_rules;
    {
        Lock lock(mutex_);
        auto& state = sandboxes_.at(container_id);
        int gateway = gateway_endpoint(state.endpoints);
        if (state.rules.empty() || gateway < 0) return {};
        const auto& info = state.endpoints[static_cast<std::size_t>(gateway)].info;
        old_rules = state.rules;
        for (auto& rule : state.rules) {
            auto target = IpAddress::parse(rule.target.is_v4() ? info.ipv4 : info.ipv6);
            if (target) rule.target = *target;
        }
        new_rules = state.rules;
    }
    if (old_rules == new_rules) return {};
    firewall_.remove_ports_later(old_rules);
    return firewall_.add_ports(new_rules);
}

Result<void> Manager::save(const std::string& container_id) {
    std::string key, record;
    {
        Lock lock(mutex_);
        const auto& state = sandboxes_.at(container_id);
        key = state.key;
        record = to_record(state);
    }
    TRY(store_.put(key, record));
    return {};
}

static std::string free_interface(const std::vector<EndpointState>& endpoints) {
    for (unsigned number = 0;; ++number) {
        auto name = fmt::format("eth{}", number);
        auto same = [&](const auto& endpoint) { return endpoint.info.interface == name; };
        if (std::none_of(endpoints.begin(), endpoints.end(), same)) return name;
    }
}

Result<Endpoint> Manager::connect(const Context& context, const std::string& container_id,
                                  const EndpointRequest& request) {
    TRY(context.check());
    auto one_at_a_time = containers_.lock(container_id);
    auto sandbox = TRY(connected(container_id));
    auto network = TRY(network_for(request));
    const auto& spec = network->info.spec;
    for (const auto& endpoint : sandbox.state.endpoints)
        if (endpoint.info.network_id == network->info.id)
            return Error(Errc::Denied, fmt::format("endpoint with name {} already exists in network {}",
                                                   sandbox.state.container_name, spec.name));
    auto endpoint = TRY(reserve_on(*network, request));
    endpoint.info.interface = free_interface(sandbox.state.endpoints);
    name_endpoint(endpoint, sandbox.state);
    auto plugged = plug(*network, endpoint, sandbox.state.space, *sandbox.inside);
    sandbox.state.endpoints.push_back(endpoint);
    Result<void> done;
    if (!plugged) done = plugged.take_error();
    if (done) done = route_outside(sandbox);
    if (done && endpoint.named) {
        add_names(sandbox.state);
        if (dns_->serves(container_id))
            dns_->set_forwarding(container_id, may_ask_outside(sandbox.state.endpoints));
        else
            done = serve_names(sandbox.state);
    }
    if (!done) {
        names_.remove(network->info.id, container_id);
        reaper_.add({{endpoint.host_link}, {}, {endpoint}, {}});
        return done.take_error();
    }
    {
        Lock lock(mutex_);
        sandboxes_.at(container_id).endpoints.push_back(endpoint);
    }
    TRY(move_ports(container_id));
    TRY(save(container_id));
    return endpoint.info;
}

Result<void> Manager::disconnect(const Context& context, const std::string& container_id, std::string_view wanted) {
    TRY(context.check());
    auto one_at_a_time = containers_.lock(container_id);
    NetworkPtr network;
    {
        Lock lock(mutex_);
        network = TRY(find_network(wanted));
    }
    auto sandbox = TRY(connected(container_id));
    auto& endpoints = sandbox.state.endpoints;
    auto found = std::find_if(endpoints.begin(), endpoints.end(),
                              [&](const auto& endpoint) { return endpoint.info.network_id == network->info.id; });
    if (found == endpoints.end())
        return Error(Errc::Denied,
                     fmt::format("container {} is not connected to network {}", container_id, network->info.spec.name));
    EndpointState gone = *found;
    endpoints.erase(found);
    {
        Lock lock(mutex_);
        auto& all = sandboxes_.at(container_id).endpoints;
        std::erase_if(all, [&](const auto& endpoint) { return endpoint.info.network_id == network->info.id; });
    }
    names_.remove(network->info.id, container_id);
    dns_->set_forwarding(container_id, may_ask_outside(endpoints));
    TRY(move_ports(container_id));
    TRY(save(container_id));
    reaper_.add({{gone.host_link}, {}, {gone}, {}});
    reaper_.flush();  // the caller may look at the container's links now
    return route_outside(sandbox);
}

}  // namespace pila::network
