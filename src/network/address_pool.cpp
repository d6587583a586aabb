// SPDX-License-Identifier: Apache-2.0
#include "network/address_pool.h"

#include <fmt/core.h>

namespace pila::network {

using os::net::IpAddress;
using os::net::Number128;
using os::net::Prefix;

AddressPool::AddressPool(Prefix subnet, std::optional<Prefix> range) : subnet_(subnet.masked()) {
    const Prefix& from = range ? *range : subnet_;
    first_ = next_ = from.first().number();
    last_ = from.last().number();
}

// The network's own address and (IPv4) its broadcast address belong to nobody, except in /31, /32, /127 and /128.
bool AddressPool::usable(Number128 number) const {
    unsigned host_bits = os::net::bits_of(subnet_.family()) - subnet_.length;
    if (host_bits < 2) return true;
    if (number == subnet_.first().number()) return false;
    return !(subnet_.family() == os::net::Family::V4 && number == subnet_.last().number());
}

Result<IpAddress> AddressPool::take() {
    Number128 candidate = next_;
    // At most used_.size() candidates are taken and two are unusable, so this many steps find a free one.
    for (std::size_t tried = 0; tried < used_.size() + 3; ++tried) {
        Number128 current = candidate;
        candidate = current >= last_ ? first_ : current + 1;
        if (!usable(current) || used_.contains(current)) continue;
        used_.insert(current);
        next_ = candidate;
        return IpAddress::from_number(subnet_.family(), current);
    }
    return Error(Errc::Exhausted, fmt::format("no available IPv{} addresses on this network's address pools: {}",
                                              subnet_.family() == os::net::Family::V4 ? 4 : 6, subnet_.text()));
}

Result<void> AddressPool::take(const IpAddress& address) {
    if (!subnet_.contains(address))
        return Error(Errc::Invalid, fmt::format("no configured subnet contains IP address {}", address.text()));
    if (!used_.insert(address.number()).second) return Error(Errc::Conflict, "Address already in use");
    return {};
}

void AddressPool::give_back(const IpAddress& address) { used_.erase(address.number()); }

}  // namespace pila::network
