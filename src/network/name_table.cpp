// SPDX-License-Identifier: Apache-2.0
#include "network/name_table.h"

#include <algorithm>

#include "base/text.h"

namespace pila::network {

void NameTable::add(const NamedEndpoint& endpoint) {
    Lock lock(mutex_);
    remove_locked(endpoint.network_id, endpoint.container_id);
    auto& network = networks_[endpoint.network_id];
    network.name = to_lower(endpoint.network_name);
    for (const auto& name : endpoint.names) network.by_name[to_lower(name)].push_back(endpoint.container_id);
    for (const auto& address : {endpoint.ipv4, endpoint.ipv6})
        if (address) network.by_address[*address] = endpoint.container_id;
    network.members[endpoint.container_id] = endpoint;
    memberships_[endpoint.container_id].push_back(endpoint.network_id);
}

void NameTable::remove(const std::string& network_id, const std::string& container_id) {
    Lock lock(mutex_);
    remove_locked(network_id, container_id);
}

void NameTable::remove_locked(const std::string& network_id, const std::string& container_id) {
    auto found = networks_.find(network_id);
    if (found == networks_.end()) return;
    auto& network = found->second;
    auto member = network.members.find(container_id);
    if (member == network.members.end()) return;
    for (const auto& name : member->second.names) {
        auto entry = network.by_name.find(to_lower(name));
        if (entry == network.by_name.end()) continue;
        std::erase(entry->second, container_id);
        if (entry->second.empty()) network.by_name.erase(entry);
    }
    for (const auto& address : {member->second.ipv4, member->second.ipv6})
        if (address) network.by_address.erase(*address);
    network.members.erase(member);
    if (network.members.empty()) networks_.erase(found);
    auto membership = memberships_.find(container_id);
    if (membership == memberships_.end()) return;
    std::erase(membership->second, network_id);
    if (membership->second.empty()) memberships_.erase(membership);
}

bool NameTable::collect(const Network& network, const std::string& name, NameAnswer& answer) {
    auto found = network.by_name.find(name);
    if (found == network.by_name.end()) return false;
    for (const auto& container : found->second) {
        const auto& member = network.members.at(container);
        if (member.ipv4) answer.ipv4.push_back(*member.ipv4);
        if (member.ipv6) answer.ipv6.push_back(*member.ipv6);
    }
    return true;
}

std::optional<NameAnswer> NameTable::lookup(const std::string& asker_id, std::string_view text) const {
    if (text.ends_with('.')) text.remove_suffix(1);
    std::string name = to_lower(text);
    NameAnswer answer;
    Lock lock(mutex_);
    auto memberships = memberships_.find(asker_id);
    if (memberships == memberships_.end()) return std::nullopt;
    for (const auto& id : memberships->second) {
        const auto& network = networks_.at(id);
        if (collect(network, name, answer)) return answer;
        auto suffix = "." + network.name;
        if (name.size() > suffix.size() && name.ends_with(suffix) &&
            collect(network, name.substr(0, name.size() - suffix.size()), answer))
            return answer;
    }
    return std::nullopt;
}

std::optional<std::string> NameTable::reverse(const std::string& asker_id, const os::net::IpAddress& address) const {
    Lock lock(mutex_);
    auto memberships = memberships_.find(asker_id);
    if (memberships == memberships_.end()) return std::nullopt;
    for (const auto& id : memberships->second) {
        const auto& network = networks_.at(id);
        auto found = network.by_address.find(address);
        if (found == network.by_address.end()) continue;
        const auto& member = network.members.at(found->second);
        if (!member.names.empty()) return member.names.front() + "." + member.network_name;
    }
    return std::nullopt;
}

}  // namespace pila::network
