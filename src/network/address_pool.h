// SPDX-License-Identifier: Apache-2.0
#pragma once
// The addresses of one subnet. Dynamic ones are handed out upward and reused only after a full round, so that a client
// with a stale view of an address meets nobody rather than somebody else. Not thread-safe: its network guards it.

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "os/net/ip.h"

namespace pila::network {

class AddressPool {
public:
    // range: where dynamic addresses come from (the whole subnet if absent).
    AddressPool(os::net::Prefix subnet, std::optional<os::net::Prefix> range);

    const os::net::Prefix& subnet() const { return subnet_; }
    Result<os::net::IpAddress> take();                     // Exhausted
    Result<void> take(const os::net::IpAddress& address);  // Conflict: "Address already in use"
    void give_back(const os::net::IpAddress& address);
    std::size_t in_use() const { return used_.size(); }

private:
    bool usable(os::net::Number128 number) const;

    os::net::Prefix subnet_;
    os::net::Number128 first_, last_, next_;
    std::set<os::net::Number128> used_;
};

}  // namespace pila::network
