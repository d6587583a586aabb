// SPDX-License-Identifier: Apache-2.0
#include "os/net/ip.h"

#include <cstring>

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>

#include "base/text.h"

namespace pila::os::net {

IpAddress IpAddress::from_number(Family family, Number128 number) {
    IpAddress address;
    address.family_ = family;
    for (std::size_t i = address.size(); i-- > 0; number >>= 8) address.bytes_[i] = static_cast<std::uint8_t>(number);
    return address;
}

IpAddress IpAddress::from_bytes(Family family, const void* network_order) {
    IpAddress address;
    address.family_ = family;
    std::memcpy(address.bytes_.data(), network_order, address.size());
    return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    char buffer[INET6_ADDRSTRLEN];
    if (text.empty() || text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos) return std::nullopt;
    std::memcpy(buffer, text.data(), text.size());
    buffer[text.size()] = '\0';
    std::uint8_t bytes[16];
    if (::inet_pton(AF_INET, buffer, bytes) == 1) return from_bytes(Family::V4, bytes);
    if (::inet_pton(AF_INET6, buffer, bytes) == 1) return from_bytes(Family::V6, bytes);
    return std::nullopt;
}

Number128 IpAddress::number() const {
    Number128 number = 0;
    for (std::size_t i = 0; i < size(); ++i) number = number << 8 | bytes_[i];
    return number;
}

bool IpAddress::is_loopback() const { return is_v4() ? bytes_[0] == 127 : number() == 1; }

std::string IpAddress::text() const {
    char buffer[INET6_ADDRSTRLEN];
    ::inet_ntop(static_cast<int>(family_), bytes_.data(), buffer, sizeof buffer);
    return buffer;
}

std::optional<Prefix> Prefix::parse(std::string_view text) {
    auto slash = text.find('/');
    if (slash == std::string_view::npos) return std::nullopt;
    auto address = IpAddress::parse(text.substr(0, slash));
    auto digits = text.substr(slash + 1);
    auto length = parse_uint(digits);
    if (!address || !length || digits.size() > 3 || *length > bits_of(address->family())) return std::nullopt;
    return Prefix{*address, static_cast<std::uint8_t>(*length)};
}

static Number128 host_mask(const Prefix& prefix) {
    unsigned host_bits = bits_of(prefix.family()) - prefix.length;
    return host_bits == 128 ? ~Number128{0} : (Number128{1} << host_bits) - 1;
}

IpAddress Prefix::first() const { return IpAddress::from_number(family(), address.number() & ~host_mask(*this)); }
IpAddress Prefix::last() const { return IpAddress::from_number(family(), address.number() | host_mask(*this)); }

bool Prefix::contains(const IpAddress& other) const {
    return other.family() == family() && ((other.number() ^ address.number()) & ~host_mask(*this)) == 0;
}

std::string Prefix::text() const { return fmt::format("{}/{}", address.text(), length); }

SocketAddress SocketAddress::of(const IpAddress& address, std::uint16_t port) {
    SocketAddress result;
    if (address.is_v4()) {
        sockaddr_in v4{};
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        std::memcpy(&v4.sin_addr, address.bytes(), 4);
        std::memcpy(&result.storage, &v4, sizeof v4);
        result.size = sizeof v4;
    } else {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        std::memcpy(&v6.sin6_addr, address.bytes(), 16);
        std::memcpy(&result.storage, &v6, sizeof v6);
        result.size = sizeof v6;
    }
    return result;
}

std::string mac_text(const Mac& mac) {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

std::optional<Mac> parse_mac(std::string_view text) {
    auto parts = split(text, text.find('-') == std::string_view::npos ? ':' : '-');
    if (parts.size() != 6) return std::nullopt;
    Mac mac{};
    for (std::size_t i = 0; i < 6; ++i) {
        auto byte = parse_uint(parts[i], 16);
        if (parts[i].size() != 2 || !byte || *byte > 255) return std::nullopt;
        mac[i] = static_cast<std::uint8_t>(*byte);
    }
    return mac;
}

}  // namespace pila::os::net
