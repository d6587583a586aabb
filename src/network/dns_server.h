// SPDX-License-Identifier: Apache-2.0
#pragma once
// The name server that containers of user networks see at 127.0.0.11:53. Its sockets were opened inside the containers'
// namespaces by the helper; one thread with one epoll serves all of them and asks the host's resolvers, from the host,
// for what it does not know. Bounded: queries under way, connections, sizes, time. Threads: any.

#include <memory>
#include <string>
#include <vector>

#include "network/helper_client.h"
#include "network/name_table.h"

namespace pila::network {

struct DnsClient {
    std::string container_id;
    std::vector<os::net::IpAddress> servers;  // empty: the host's
    bool forward = true;                      // false: only on internal networks, asks nobody outside
};

class DnsServer {
public:
    static std::unique_ptr<DnsServer> create(HelperClient& helper, const NameTable& names);
    virtual ~DnsServer() = default;

    // Opens the sockets inside `space` (again, after a restart). The thread starts with the first container.
    virtual Result<void> serve(const DnsClient& client, FdView space) = 0;
    virtual void set_forwarding(const std::string& container_id, bool forward) = 0;
    virtual void stop(const std::string& container_id) = 0;
    virtual bool serves(const std::string& container_id) const = 0;
};

}  // namespace pila::network
