// SPDX-License-Identifier: Apache-2.0
#pragma once
// Takes down what containers and networks leave behind, many at once: removing a link waits for an RCU grace period,
// and one request that removes a hundred waits hardly longer than one that removes a single link. While a batch is
// under way the next one collects itself. Addresses are free again only after their links are gone.

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "network/firewall.h"
#include "network/sandbox.h"
#include "os/net/netlink.h"
#include "store/store.h"

namespace pila::network {

struct Remains {
    std::vector<std::string> links;  // of the host: pairs, bridges
    std::vector<std::string> store_keys;
    std::vector<EndpointState> endpoints;  // whose addresses come back
    std::vector<PortRule> changed_ports;   // came or went: UDP clients must notice
    std::vector<Fd> spaces;                // closed here: the last close of a namespace is not free either
};

class Reaper {
public:
    using GiveBack = std::function<void(const std::vector<EndpointState>&)>;
    // group: link group that only this instance uses.
    Reaper(Firewall& firewall, store::Store& store, std::uint32_t group, GiveBack give_back);
    ~Reaper();  // after everything was taken down
    void start();

    void add(Remains remains);
    void flush();  // waits until all that was added before is gone

private:
    void run();
    void take_down(Remains& remains);
    void forget_connections(const std::vector<PortRule>& ports);
    void delete_links(const std::vector<std::string>& links);

    Firewall& firewall_;
    store::Store& store_;
    const std::uint32_t group_;
    const GiveBack give_back_;
    Mutex mutex_;
    Condition changed_;
    Remains waiting_ GUARDED_BY(mutex_);
    bool dirty_ GUARDED_BY(mutex_) = false, stopping_ GUARDED_BY(mutex_) = false;
    std::uint64_t added_ GUARDED_BY(mutex_) = 0, done_ GUARDED_BY(mutex_) = 0;
    std::thread thread_;
};

}  // namespace pila::network
