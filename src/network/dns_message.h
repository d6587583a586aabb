// SPDX-License-Identifier: Apache-2.0
#pragma once
// DNS messages (RFC 1035, EDNS: RFC 6891), as much as a resolver of container names needs: strict about queries, blind
// to what is in forwarded answers apart from their header and question.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/net/ip.h"

namespace pila::network::dns {

inline constexpr std::size_t header_size = 12;
inline constexpr std::size_t max_message = 65535;
inline constexpr std::uint16_t type_a = 1, type_ptr = 12, type_aaaa = 28, type_any = 255, class_in = 1;

enum class Code : std::uint8_t {
    Ok = 0,
    FormatError = 1,
    ServerFailure = 2,
    NoSuchName = 3,
    NotImplemented = 4,
    Refused = 5
};

struct Query {
    std::uint16_t id = 0;
    bool recursion_desired = false;
    std::string name;  // labels joined by dots, as asked; no dot at the end
    std::uint16_t type = 0, klass = 0;
    std::string question;        // the section's bytes, to be repeated in the answer
    std::size_t udp_size = 512;  // what the asker can take
    bool edns = false;
};

// nullopt: malformed, or no plain query with exactly one question.
std::optional<Query> parse_query(std::string_view message);

struct Answers {
    Code code = Code::Ok;
    std::vector<os::net::IpAddress> addresses;
    std::string pointer;  // PTR target
};
// An authoritative answer; cut to `limit` bytes with the TC bit if need be.
std::string make_answer(const Query& query, const Answers& answers, std::size_t limit);

// Whether `message` answers the forwarded query: a response with this id to this question (case may differ).
bool answers_query(std::string_view message, std::uint16_t id, const Query& query);
void set_id(std::string& message, std::uint16_t id);
bool is_truncated(std::string_view message);
// A response that says "ask again over TCP".
std::string truncated_answer(const Query& query);

// "2.0.17.172.in-addr.arpa", "....ip6.arpa" -> address
std::optional<os::net::IpAddress> reverse_address(std::string_view name);

}  // namespace pila::network::dns
