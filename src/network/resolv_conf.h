// SPDX-License-Identifier: Apache-2.0
#pragma once
// The resolvers of the host. Threads: one.

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "os/net/ip.h"

namespace pila::network {

// At most three, as resolv.conf(5) says.
std::vector<os::net::IpAddress> parse_nameservers(std::string_view resolv_conf);

class HostResolvers {
public:
    // Looks at the file again when a second has passed and it was changed. A stub of systemd-resolved (127.0.0.53) is
    // replaced by the servers behind it.
    const std::vector<os::net::IpAddress>& current();

private:
    std::vector<os::net::IpAddress> servers_;
    std::chrono::steady_clock::time_point looked_{};
    std::int64_t changed_ = -1;
};

}  // namespace pila::network
