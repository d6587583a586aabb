// SPDX-License-Identifier: Apache-2.0
#pragma once
// Other firewalls on the machine. What one table accepts, another may still drop: Docker sets the policy of iptables'
// FORWARD chain to drop and leaves the chain DOCKER-USER to everybody else, so our bridges are accepted there, behind
// whatever the user has written into it. That is the only place outside our tables that is touched, and it is left as
// it was when the network goes. For others (ufw, firewalld, iptables-legacy) a warning says which command helps. One
// thread sleeps until somebody changes tables, chains or rules; it also puts our own tables back.

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "network/firewall.h"

namespace pila::network {

class Neighbours {
public:
    Neighbours(Firewall& firewall, std::string instance) : firewall_(firewall), comment_("pila:" + instance) {}
    ~Neighbours() { stop(); }

    Result<void> start();
    void stop();
    // Makes DOCKER-USER agree with the firewall's bridges; to be called when those changed, too.
    void check();
    void withdraw();  // takes everything of ours out of DOCKER-USER

private:
    void run();
    Result<void> check_family(os::net::Family family, const std::vector<std::string>& bridges) REQUIRES(mutex_);
    Result<void> sync_docker_user(os::net::Family family, const std::vector<std::string>& bridges) REQUIRES(mutex_);
    void check_legacy(const std::vector<std::string>& bridges) REQUIRES(mutex_);
    void warn(const std::string& text) REQUIRES(mutex_);

    Firewall& firewall_;
    const std::string comment_;
    Mutex mutex_;
    std::unique_ptr<os::net::NetlinkSocket> socket_ GUARDED_BY(mutex_);
    std::set<std::string> warned_ GUARDED_BY(mutex_);
    Fd changes_, wake_;
    std::thread thread_;
};

}  // namespace pila::network
