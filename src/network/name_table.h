// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who is called what on which user network. A container sees the names of the networks it is on itself, nothing else.
// Threads: any.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "os/net/ip.h"

namespace pila::network {

struct NamedEndpoint {
    std::string network_id, network_name, container_id;
    std::vector<std::string> names;  // the first one answers reverse queries
    std::optional<os::net::IpAddress> ipv4, ipv6;
};

struct NameAnswer {
    std::vector<os::net::IpAddress> ipv4, ipv6;
};

class NameTable {
public:
    void add(const NamedEndpoint& endpoint);  // replaces an earlier one of the same container and network
    void remove(const std::string& network_id, const std::string& container_id);

    // Of the first network of the asker that knows the name; "name.network" asks one of them. Case does not matter.
    std::optional<NameAnswer> lookup(const std::string& asker_id, std::string_view name) const;
    // "container.network"
    std::optional<std::string> reverse(const std::string& asker_id, const os::net::IpAddress& address) const;

private:
    struct Network {
        std::string name;                                                   // lower case
        std::map<std::string, NamedEndpoint> members;                       // by container id
        std::unordered_map<std::string, std::vector<std::string>> by_name;  // container ids, in order of arrival
        std::map<os::net::IpAddress, std::string> by_address;               // container id
    };
    void remove_locked(const std::string& network_id, const std::string& container_id) REQUIRES(mutex_);
    static bool collect(const Network& network, const std::string& name, NameAnswer& answer);

    mutable Mutex mutex_;
    std::unordered_map<std::string, Network> networks_ GUARDED_BY(mutex_);
    std::unordered_map<std::string, std::vector<std::string>> memberships_ GUARDED_BY(mutex_);  // network ids
};

}  // namespace pila::network
