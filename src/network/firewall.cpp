// SPDX-License-Identifier: Apache-2.0
#include "network/firewall.h"

#include <algorithm>

#include "base/log.h"
#include "network/firewall_rules.h"
#include "os/net/route.h"

#include <linux/netlink.h>

namespace pila::network {

using os::net::Family;
using os::net::nft::Element;

static constexpr Family families[] = {Family::V4, Family::V6};

Result<void> Firewall::connect() {
    if (socket_) return {};
    auto socket = TRY(os::net::NetlinkSocket::open(NETLINK_NETFILTER));
    socket_ = std::make_unique<os::net::NetlinkSocket>(std::move(socket));
    return {};
}

// The IPv6 table appears with the first network that has an IPv6 subnet.
bool Firewall::wanted(Family family) const {
    if (family == Family::V4) return true;
    return std::any_of(bridges_.begin(), bridges_.end(), [&](const auto& entry) {
        const auto& subnets = entry.second.subnets;
        return std::any_of(subnets.begin(), subnets.end(), [&](const auto& s) { return s.family() == family; });
    });
}

Result<void> Firewall::rebuild_family(Family family) {
    auto& state = this->state(family);
    state.removals.clear();
    Transaction transaction(family);
    // Deleting fails when there is none, adding does not when there is one.
    transaction.add_table(table_);
    transaction.delete_table(table_);
    if (wanted(family)) {
        rules::add_table(transaction, family, table_);
        for (const auto& [name, bridge] : bridges_)
            for (const auto& part : rules::elements_of(family, bridge))
                transaction.add_elements(table_, part.set, part.elements);
        std::map<std::string, std::vector<Element>> by_map;
        for (const auto& [key, port] : state.ports)
            by_map[rules::map_of(key.host_address)].push_back(rules::element_of(port));
        for (const auto& [map, elements] : by_map) transaction.add_elements(table_, map, elements);
    }
    TRY(transaction.commit(*socket_));
    state.built = wanted(family);
    return {};
}

Result<void> Firewall::rebuild_locked() {
    TRY(connect());
    for (auto family : families)
        if (wanted(family) || state(family).built || family == Family::V4) TRY(rebuild_family(family));
    return {};
}

Result<void> Firewall::probe() {
    Lock lock(mutex_);
    auto made = connect();
    if (made) {
        // The real rules under another name, taken back in the same transaction.
        auto name = table_ + "-probe";
        Transaction transaction(Family::V4);
        rules::add_table(transaction, Family::V4, name);
        transaction.delete_table(name);
        made = transaction.commit(*socket_);
    }
    usable_ = made.ok();
    return made;
}

Result<void> Firewall::rebuild() {
    if (!usable_) return {};
    Lock lock(mutex_);
    started_ = true;
    for (auto family : families) {
        auto& state = this->state(family);
        for (const auto& key : state.removals) state.ports.erase(key);
        state.built = true;  // whatever an earlier daemon left is replaced, too
    }
    if (!os::net::have_ipv6()) v6_.built = false;
    return rebuild_locked();
}

Result<void> Firewall::remove_tables() {
    if (!usable_) return {};
    Lock lock(mutex_);
    TRY(connect());
    for (auto family : families) {
        if (family == Family::V6 && !os::net::have_ipv6()) continue;
        Transaction transaction(family);
        transaction.add_table(table_);
        transaction.delete_table(table_);
        TRY(transaction.commit(*socket_));
        state(family) = {};
    }
    bridges_.clear();
    return {};
}

void Firewall::adopt_ports(const std::vector<PortRule>& ports) {
    Lock lock(mutex_);
    for (const auto& port : ports)
        state(port.target.family()).ports[{port.protocol, port.host_address, port.host_port}] = port;
}

Result<void> Firewall::change_bridge(const BridgeRules& bridge, bool add) {
    TRY(connect());
    for (auto family : families) {
        auto& state = this->state(family);
        if (!state.built) {
            if (wanted(family)) TRY(rebuild_family(family));
            continue;
        }
        Transaction transaction(family);
        for (const auto& part : rules::elements_of(family, bridge)) {
            if (add)
                transaction.add_elements(table_, part.set, part.elements);
            else
                transaction.delete_elements(table_, part.set, part.elements);
        }
        auto changed = transaction.commit(*socket_);
        if (changed) continue;
        log::warning("network: {}; rebuilding table {}", changed.error().message(), table_);
        TRY(rebuild_family(family));
    }
    return {};
}

Result<void> Firewall::add_bridge(const BridgeRules& bridge) {
    Lock lock(mutex_);
    bridges_[bridge.interface] = bridge;
    if (!usable_ || !started_) return {};
    return change_bridge(bridge, true);
}

Result<void> Firewall::remove_bridge(const std::string& interface) {
    Lock lock(mutex_);
    auto found = bridges_.find(interface);
    if (found == bridges_.end()) return {};
    BridgeRules bridge = found->second;
    bridges_.erase(found);
    if (!usable_ || !started_) return {};
    return change_bridge(bridge, false);
}

Result<void> Firewall::change_ports(Family family, const std::vector<PortRule>& added) {
    auto& state = this->state(family);
    if (!usable_ || (added.empty() && state.removals.empty())) return {};
    TRY(connect());
    std::map<std::string, std::vector<Element>> removed_by_map, added_by_map;
    for (const auto& key : state.removals) {
        auto found = state.ports.find(key);
        if (found == state.ports.end()) continue;
        removed_by_map[rules::map_of(key.host_address)].push_back(rules::element_of(found->second));
        state.ports.erase(found);
    }
    state.removals.clear();
    for (const auto& port : added) {
        auto [former, fresh] = state.ports.try_emplace({port.protocol, port.host_address, port.host_port}, port);
        if (!fresh) {  // in one transaction: no connection in between goes nowhere
            removed_by_map[rules::map_of(port.host_address)].push_back(rules::element_of(former->second));
            former->second = port;
        }
        added_by_map[rules::map_of(port.host_address)].push_back(rules::element_of(port));
    }
    if (!state.built) return rebuild_family(family);
    Transaction transaction(family);
    for (const auto& [map, elements] : removed_by_map) transaction.delete_elements(table_, map, elements);
    for (const auto& [map, elements] : added_by_map) transaction.add_elements(table_, map, elements);
    auto changed = transaction.commit(*socket_);
    if (changed) return {};
    log::warning("network: {}; rebuilding table {}", changed.error().message(), table_);
    return rebuild_family(family);
}

std::vector<BridgeRules> Firewall::bridges() {
    std::vector<BridgeRules> result;
    Lock lock(mutex_);
    for (const auto& [name, bridge] : bridges_) result.push_back(bridge);
    return result;
}

Result<void> Firewall::restore_if_gone() {
    if (!usable_) return {};
    Lock lock(mutex_);
    TRY(connect());
    for (auto family : families) {
        if (!state(family).built) continue;
        auto tables = TRY(os::net::nft::list_tables(*socket_, family));
        if (std::find(tables.begin(), tables.end(), table_) != tables.end()) continue;
        log::warning("network: somebody removed the nftables table {}; it is back", table_);
        TRY(rebuild_family(family));
    }
    return {};
}

Result<void> Firewall::add_ports(const std::vector<PortRule>& ports) {
    Lock lock(mutex_);
    for (auto family : families) {
        std::vector<PortRule> of_family;
        for (const auto& port : ports)
            if (port.target.family() == family) of_family.push_back(port);
        if (!of_family.empty()) TRY(change_ports(family, of_family));
    }
    return {};
}

void Firewall::remove_ports_later(const std::vector<PortRule>& ports) {
    Lock lock(mutex_);
    for (const auto& port : ports)
        state(port.target.family()).removals.push_back({port.protocol, port.host_address, port.host_port});
}

Result<void> Firewall::flush_removals() {
    Lock lock(mutex_);
    for (auto family : families) TRY(change_ports(family, {}));
    return {};
}

}  // namespace pila::network
