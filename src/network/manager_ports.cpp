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

static bool is_in_place_of(const PortRule& one, const PortRule& other) {
    return one.protocol == other.protocol && one.host_port == other.host_port &&
           one.host_address == other.host_address && one.target.family() == other.target.family();
}

// Of `rules` those whose port of the host is that of one of `others` as well, or is not.
static std::vector<PortRule> rules_beside(const std::vector<PortRule>& rules, const std::vector<PortRule>& others,
                                          bool in_place) {
    std::vector<PortRule> found;
    for (const auto& rule : rules) {
        bool is =
            std::any_of(others.begin(), others.end(), [&](const auto& other) { return is_in_place_of(rule, other); });
        if (is == in_place) found.push_back(rule);
    }
    return found;
}

// Where they came in place of former ones, those are in force again.
void Manager::take_back_rules(const std::vector<PortRule>& added, const std::vector<PortRule>& former) {
    auto again = firewall_.add_ports(rules_beside(former, added, true));
    if (!again) log::error("network: rules of ports that were to move: {}", again.error().message());
    firewall_.remove_ports_later(rules_beside(added, former, false));
}

Result<PortChange> Manager::change_ports(const Context& context, const std::string& container_id,
                                         const std::vector<PortRequest>& add,
                                         const std::vector<PublishedPort>& remove) {
    TRY(context.check());
    auto one_at_a_time = containers_.lock(container_id);
    Outside outside;
    std::string container_name;
    GivenPorts given{remove, {}};
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
        for (const auto& rule : found->second.rules)
            if (of_any(rule, remove)) given.rules.push_back(rule);
    }
    TakenPorts taken;
    if (!add.empty()) taken = TRY(publish(outside, container_name, add, given));
    settle_datagrams(taken.rules);
    PortChange change{.published = {},
                      .added = taken.published,
                      .gone = remove,
                      .moved = std::move(taken.moved),
                      .moved_relays = std::move(taken.moved_relays),
                      .held = std::move(taken.held),
                      .relays = std::move(taken.relays)};
    Lock lock(mutex_);
    auto& state = sandboxes_.at(container_id);
    PendingPorts pending{taken.published, remove, taken.rules, std::move(given.rules)};
    change.published = state.ports;
    erase_ports(change.published, remove);
    change.published.insert(change.published.end(), taken.published.begin(), taken.published.end());
    index_ports(pending.added_rules, true);
    state.pending = std::move(pending);
    return change;
}

void Manager::settle_ports(const std::string& container_id, Settle how) {
    auto one_at_a_time = containers_.lock(container_id);
    std::vector<PortRule> out_of_force, instead;
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
            instead = std::move(pending.added_rules);
        } else {
            out_of_force = std::move(pending.added_rules);
            instead = std::move(pending.gone_rules);
        }
        index_ports(out_of_force, false);
    }
    if (out_of_force.empty()) return;
    if (how == Settle::Keep)
        firewall_.remove_ports_later(rules_beside(out_of_force, instead, false));
    else
        take_back_rules(out_of_force, instead);
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

std::vector<MovedRelay> Manager::relays_of(const std::string& container_id) {
    Lock lock(mutex_);
    std::vector<MovedRelay> relays;
    auto found = sandboxes_.find(container_id);
    int gateway = found == sandboxes_.end() ? -1 : gateway_endpoint(found->second.endpoints);
    if (gateway < 0) return relays;
    const auto& endpoint = found->second.endpoints[static_cast<std::size_t>(gateway)].info;
    for (const auto& port : found->second.ports) {
        bool translated = std::any_of(found->second.rules.begin(), found->second.rules.end(),
                                      [&](const auto& rule) { return is_rule_of(rule, port); });
        bool v4 = port.host_ip.find(':') == std::string::npos;
        if (port.protocol != "tcp" || (translated && v4)) continue;
        const auto& address = v4 || endpoint.ipv6.empty() ? endpoint.ipv4 : endpoint.ipv6;
        relays.push_back({port.host_ip, port.host_port, address, port.container_port, port.container_port});
    }
    return relays;
}

std::vector<PublishedPort> Manager::ports_of(const std::string& container_id) {
    Lock lock(mutex_);
    auto found = sandboxes_.find(container_id);
    return found == sandboxes_.end() ? std::vector<PublishedPort>() : found->second.ports;
}

}  // namespace pila::network
