// SPDX-License-Identifier: Apache-2.0
#pragma once
// The nftables tables of this instance, "ip NAME" and (once an IPv6 network exists) "ip6 NAME". Published ports are
// elements of two maps, so that adding one costs the same whether there are ten or ten thousand; bridges and subnets
// are elements of sets; the rules never change. The wanted content is kept in memory: rebuild() makes the kernel agree
// in one transaction, whatever was there. Threads: any; changes are serialised.

#include <atomic>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "os/net/nft.h"

namespace pila::network {

struct BridgeRules {
    std::string interface;
    std::vector<os::net::Prefix> subnets;  // both families
    bool internal = false;                 // nothing in, nothing out
    bool masquerade = true;
    auto operator<=>(const BridgeRules&) const = default;
};

struct PortRule {
    std::uint8_t protocol = 0;        // IPPROTO_*
    os::net::IpAddress host_address;  // unspecified: any local address
    std::uint16_t host_port = 0;
    os::net::IpAddress target;  // same family
    std::uint16_t target_port = 0;
    auto operator<=>(const PortRule&) const = default;
};

class Firewall {
public:
    explicit Firewall(std::string table) : table_(std::move(table)) {}

    // Says why this kernel cannot do what the rules need; then nothing below does anything.
    Result<void> probe();
    bool usable() const { return usable_; }
    // Replaces our tables by the wanted content. What is added before the first time is only noted.
    Result<void> rebuild();
    Result<void> remove_tables();
    // Ports of containers that live on from an earlier daemon; in force with the next rebuild().
    void adopt_ports(const std::vector<PortRule>& ports);

    Result<void> add_bridge(const BridgeRules& bridge);
    Result<void> remove_bridge(const std::string& interface);
    // Takes out, in the same transaction, what remove_ports_later() left.
    Result<void> add_ports(const std::vector<PortRule>& ports);
    void remove_ports_later(const std::vector<PortRule>& ports);
    Result<void> flush_removals();

    const std::string& table() const { return table_; }
    std::vector<BridgeRules> bridges();
    // Builds the tables again if somebody took one away ("nft flush ruleset", a firewall's reload).
    Result<void> restore_if_gone();

private:
    using Transaction = os::net::nft::Transaction;
    struct PortKey {
        std::uint8_t protocol;
        os::net::IpAddress host_address;
        std::uint16_t host_port;
        auto operator<=>(const PortKey&) const = default;
    };
    struct FamilyState {
        bool built = false;
        std::map<PortKey, PortRule> ports;  // as the kernel has them
        std::vector<PortKey> removals;
    };

    FamilyState& state(os::net::Family family) REQUIRES(mutex_) { return family == os::net::Family::V4 ? v4_ : v6_; }
    Result<void> connect() REQUIRES(mutex_);
    Result<void> rebuild_locked() REQUIRES(mutex_);
    Result<void> rebuild_family(os::net::Family family) REQUIRES(mutex_);
    bool wanted(os::net::Family family) const REQUIRES(mutex_);
    Result<void> change_bridge(const BridgeRules& bridge, bool add) REQUIRES(mutex_);
    Result<void> change_ports(os::net::Family family, const std::vector<PortRule>& added) REQUIRES(mutex_);

    const std::string table_;
    std::atomic<bool> usable_{true};
    Mutex mutex_;
    std::unique_ptr<os::net::NetlinkSocket> socket_ GUARDED_BY(mutex_);
    bool started_ GUARDED_BY(mutex_) = false;  // rebuild() was called
    std::map<std::string, BridgeRules> bridges_ GUARDED_BY(mutex_);
    FamilyState v4_ GUARDED_BY(mutex_), v6_ GUARDED_BY(mutex_);
};

}  // namespace pila::network
