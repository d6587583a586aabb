// SPDX-License-Identifier: Apache-2.0
#pragma once
// IP addresses and prefixes as values: one type for both families, with the arithmetic that address management needs.

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <sys/socket.h>

namespace pila::os::net {

__extension__ using Number128 = unsigned __int128;

enum class Family : std::uint8_t { V4 = AF_INET, V6 = AF_INET6 };

inline constexpr unsigned bits_of(Family family) { return family == Family::V4 ? 32 : 128; }

class IpAddress {
public:
    IpAddress() = default;
    static IpAddress from_number(Family family, Number128 number);
    static IpAddress from_bytes(Family family, const void* network_order);
    // Numeric text only; nullopt for anything else (zones and leading zeros included).
    static std::optional<IpAddress> parse(std::string_view text);

    Family family() const { return family_; }
    bool is_v4() const { return family_ == Family::V4; }
    const std::uint8_t* bytes() const { return bytes_.data(); }  // network order
    std::size_t size() const { return is_v4() ? 4 : 16; }
    Number128 number() const;
    bool is_unspecified() const { return number() == 0; }
    bool is_loopback() const;
    std::string text() const;

    auto operator<=>(const IpAddress&) const = default;

private:
    std::array<std::uint8_t, 16> bytes_{};
    Family family_ = Family::V4;
};

// An address with a prefix length: "172.17.0.1/16" keeps its host bits; masked() drops them.
struct Prefix {
    IpAddress address;
    std::uint8_t length = 0;

    static std::optional<Prefix> parse(std::string_view text);
    Family family() const { return address.family(); }
    IpAddress first() const;  // all host bits 0
    IpAddress last() const;   // all host bits 1
    Prefix masked() const { return {first(), length}; }
    bool contains(const IpAddress& other) const;
    bool contains(const Prefix& other) const { return length <= other.length && contains(other.address); }
    bool overlaps(const Prefix& other) const { return contains(other) || other.contains(*this); }
    std::string text() const;
    auto operator<=>(const Prefix&) const = default;
};

// A socket address ready for bind(2) or connect(2).
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    static SocketAddress of(const IpAddress& address, std::uint16_t port);
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

using Mac = std::array<std::uint8_t, 6>;
std::string mac_text(const Mac& mac);
std::optional<Mac> parse_mac(std::string_view text);

}  // namespace pila::os::net
