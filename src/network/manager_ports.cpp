// SPDX-License-Identifier: Apache-2.0
// Ports that a running container gets and gives up. In two steps, so that whoever changes other things with them can
// take them back: between the steps new ports are in force but in no record, old ones are still there.
#include <algorithm>

#include <fmt/core.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "network/endpoint.h"
#include "network/manager.h"
#include "network/record.h"

namespace pila::network {

using os::net::IpAddress;

static bool same_port(const PublishedPort& one, const PublishedPort& other) {
    return one.protocol == other.protocol && one.container_port == other.container_port &&
           one.host_port == other.host_port && one.host_ip == other.host_ip;
}

static bool is_rule_of(const PortRule& rule, const PublishedPort& port) {
    return rule.protocol == protocol_number(port.protocol) && rule.host_port == port.host_port &&
           rule.target_port == port.container_port && rule.host_address.text() == port.host_ip;
}

static bool of_any(const PortRule& rule, const std::vector<PublishedPort>& ports) {
    return std::any_of(ports.begin(), ports.end(), [&](const auto& port) { return is_rule_of(rule, port); });
}

static void erase_ports(std::vector<PublishedPort>& from, const std::vector<PublishedPort>& gone) {
    std::erase_if(from, [&](const auto& port) {
        return std::any_of(gone.begin(), gone.end(), [&](const auto& one) { return same_port(one, port); });
    });
}

static void erase_rules(std::vector<PortRule>& from, const std::vector<PortRule>& gone) {
    std::erase_if(from, [&](const auto& rule) { return std::find(gone.begin(), gone.end(), rule) != gone.end(); });
}

Result<PortChange> Manager::change_ports(const Context& context, const std::string& container_id,
                                         const std::vector<PortRequest>& add,
                                         const std::vector<PublishedPort>& remove) {
    TRY(context.check());
    auto one_at_a_time = containers_.lock(container_id);
    Outside outside;
    std::string container_name;
    {
        Lock lock(mutex_);
        auto found = sandboxes_.find(container_id);
        if (found == sandboxes_.end())
            return Error(Errc::Invalid, fmt::format("container {} has no network of its own", container_id));
        int gateway = gateway_endpoint(found->second.endpoints);
        if (!add.empty() && gateway < 0)
            return Error(Errc::Invalid,
                         fmt::format("container {} is on no network that leads outside", found->second.container_name));
        if (gateway >= 0) {
            outside.endpoint = found->second.endpoints[static_cast<std::size_t>(gateway)];
            outside.network = TRY(find_network(outside.endpoint.info.network_id));
        }
        container_name = found->second.container_name;
    }
    TakenPorts taken;
    if (!add.empty()) taken = TRY(publish(outside, container_name, add));
    settle_datagrams(taken.rules);
    PortChange change{{}, taken.published, remove, std::move(taken.held), std::move(taken.relays)};
    Lock lock(mutex_);
    auto& state = sandboxes_.at(container_id);
    PendingPorts pending{taken.published, remove, taken.rules, {}};
    for (const auto& rule : state.rules)
        if (of_any(rule, remove)) pending.gone_rules.push_back(rule);
    change.published = state.ports;
    erase_ports(change.published, remove);
    change.published.insert(change.published.end(), taken.published.begin(), taken.published.end());
    index_ports(pending.added_rules, true);
    state.pending = std::move(pending);
    return change;
}

void Manager::settle_ports(const std::string& container_id, Settle how) {
    auto one_at_a_time = containers_.lock(container_id);
    std::vector<PortRule> out_of_force;
    {
        Lock lock(mutex_);
        auto found = sandboxes_.find(container_id);
        if (found == sandboxes_.end() || !found->second.pending) return;
        auto& state = found->second;
        auto pending = std::move(*state.pending);
        state.pending.reset();
        if (how == Settle::Keep) {
            erase_ports(state.ports, pending.gone);
            erase_rules(state.rules, pending.gone_rules);
            state.ports.insert(state.ports.end(), pending.added.begin(), pending.added.end());
            state.rules.insert(state.rules.end(), pending.added_rules.begin(), pending.added_rules.end());
            out_of_force = std::move(pending.gone_rules);
        } else {
            out_of_force = std::move(pending.added_rules);
        }
        index_ports(out_of_force, false);
    }
    if (out_of_force.empty()) return;
    firewall_.remove_ports_later(out_of_force);
    auto flushed = firewall_.flush_removals();
    if (!flushed) log::error("network: rules of ports that went: {}", flushed.error().message());
    settle_datagrams(out_of_force);
}

std::optional<store::Change> Manager::record_of(const std::string& container_id) {
    Lock lock(mutex_);
    auto found = sandboxes_.find(container_id);
    if (found == sandboxes_.end()) return std::nullopt;
    const auto& state = found->second;
    SandboxState after;
    after.container_id = state.container_id;
    after.container_name = state.container_name;
    after.hostname = state.hostname;
    after.endpoints = state.endpoints;
    after.ports = state.ports;
    after.rules = state.rules;
    after.dns_servers = state.dns_servers;
    if (state.pending) {
        erase_ports(after.ports, state.pending->gone);
        erase_rules(after.rules, state.pending->gone_rules);
        after.ports.insert(after.ports.end(), state.pending->added.begin(), state.pending->added.end());
        after.rules.insert(after.rules.end(), state.pending->added_rules.begin(), state.pending->added_rules.end());
    }
    return store::Change{state.key, to_record(after), std::nullopt};
}

std::vector<Endpoint> Manager::endpoints_of(const std::string& container_id) {
    Lock lock(mutex_);
    std::vector<Endpoint> endpoints;
    auto found = sandboxes_.find(container_id);
    if (found == sandboxes_.end()) return endpoints;
    for (const auto& endpoint : found->second.endpoints) endpoints.push_back(endpoint.info);
    return endpoints;
}

std::vector<PublishedPort> Manager::ports_of(const std::string& container_id) {
    Lock lock(mutex_);
    auto found = sandboxes_.find(container_id);
    return found == sandboxes_.end() ? std::vector<PublishedPort>() : found->second.ports;
}

}  // namespace pila::network
