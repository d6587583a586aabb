// SPDX-License-Identifier: Apache-2.0
#include "network/dns_message.h"

#include <algorithm>

#include "base/text.h"

namespace pila::network::dns {

using os::net::Family;
using os::net::IpAddress;

static constexpr std::size_t max_label = 63, max_name = 255;
static constexpr std::uint16_t flag_response = 0x8000, flag_authoritative = 0x0400, flag_truncated = 0x0200,
                               flag_recursion_desired = 0x0100, flag_recursion_available = 0x0080, opcode_mask = 0x7800;
static constexpr std::uint16_t type_opt = 41;
static constexpr std::size_t least_udp = 512, most_udp = 4096;
// Containers come back under the same name with another address: answers must not be kept for long.
static constexpr std::uint32_t ttl_seconds = 10;

static std::uint16_t get16(std::string_view bytes, std::size_t at) {
    return static_cast<std::uint16_t>(static_cast<std::uint8_t>(bytes[at]) << 8 |
                                      static_cast<std::uint8_t>(bytes[at + 1]));
}

static void put16(std::string& out, std::uint16_t value) {
    out.push_back(static_cast<char>(value >> 8));
    out.push_back(static_cast<char>(value & 0xff));
}

static void put32(std::string& out, std::uint32_t value) {
    put16(out, static_cast<std::uint16_t>(value >> 16));
    put16(out, static_cast<std::uint16_t>(value));
}

// Reads an uncompressed name (questions never need compression); returns the position behind it, 0 if malformed.
static std::size_t read_name(std::string_view message, std::size_t at, std::string& name) {
    std::size_t begin = at;
    for (;;) {
        if (at >= message.size()) return 0;
        auto length = static_cast<std::uint8_t>(message[at]);
        ++at;
        if (length == 0) return at;
        if (length > max_label || at + length > message.size() || at + length - begin >= max_name) return 0;
        if (!name.empty()) name.push_back('.');
        auto label = message.substr(at, length);
        // A dot inside a label would make two names look the same.
        if (label.find('.') != std::string_view::npos || label.find('\0') != std::string_view::npos) return 0;
        name.append(label);
        at += length;
    }
}

std::optional<Query> parse_query(std::string_view message) {
    if (message.size() < header_size || message.size() > max_message) return std::nullopt;
    std::uint16_t flags = get16(message, 2);
    if (flags & (flag_response | opcode_mask | flag_truncated)) return std::nullopt;
    // One question, no answers, no authorities, at most an OPT record.
    std::uint16_t additional = get16(message, 10);
    if (get16(message, 4) != 1 || get16(message, 6) != 0 || get16(message, 8) != 0 || additional > 1)
        return std::nullopt;
    Query query;
    query.id = get16(message, 0);
    query.recursion_desired = flags & flag_recursion_desired;
    std::size_t at = read_name(message, header_size, query.name);
    if (at == 0 || at + 4 > message.size()) return std::nullopt;
    query.type = get16(message, at);
    query.klass = get16(message, at + 2);
    at += 4;
    query.question = message.substr(header_size, at - header_size);
    if (additional == 1) {
        // Root name, type, class (payload size), ttl (4), length, data.
        if (at + 11 > message.size() || message[at] != 0 || get16(message, at + 1) != type_opt) return std::nullopt;
        query.edns = true;
        query.udp_size = std::clamp<std::size_t>(get16(message, at + 3), least_udp, most_udp);
        at += 11U + get16(message, at + 9);
    }
    if (at != message.size()) return std::nullopt;
    return query;
}

static std::string begin_answer(const Query& query, std::uint16_t flags, Code code, std::size_t answers) {
    std::string out;
    put16(out, query.id);
    flags |= flag_response | flag_recursion_available | static_cast<std::uint16_t>(code);
    if (query.recursion_desired) flags |= flag_recursion_desired;
    put16(out, flags);
    put16(out, 1);
    put16(out, static_cast<std::uint16_t>(answers));
    put16(out, 0);
    put16(out, query.edns ? 1 : 0);
    return out + query.question;
}

static void end_answer(std::string& out, const Query& query) {
    if (!query.edns) return;
    out.push_back('\0');
    put16(out, type_opt);
    put16(out, static_cast<std::uint16_t>(most_udp));
    put32(out, 0);
    put16(out, 0);
}

static void put_record(std::string& out, std::uint16_t type, std::string_view data) {
    put16(out, 0xc000 | header_size);  // the name of the question
    put16(out, type);
    put16(out, class_in);
    put32(out, ttl_seconds);
    put16(out, static_cast<std::uint16_t>(data.size()));
    out.append(data);
}

static std::string wire_name(std::string_view name) {
    std::string wire;
    for (auto label : split(name, '.')) {
        if (label.empty()) continue;
        label = label.substr(0, max_label);
        wire.push_back(static_cast<char>(label.size()));
        wire.append(label);
    }
    wire.push_back('\0');
    return wire;
}

std::string make_answer(const Query& query, const Answers& answers, std::size_t limit) {
    std::size_t count = answers.addresses.size() + (answers.pointer.empty() ? 0 : 1);
    std::string out = begin_answer(query, flag_authoritative, answers.code, count);
    for (const auto& address : answers.addresses)
        put_record(out, address.is_v4() ? type_a : type_aaaa,
                   {reinterpret_cast<const char*>(address.bytes()), address.size()});
    if (!answers.pointer.empty()) put_record(out, type_ptr, wire_name(answers.pointer));
    end_answer(out, query);
    if (out.size() > limit) return truncated_answer(query);
    return out;
}

std::string truncated_answer(const Query& query) {
    std::string out = begin_answer(query, flag_truncated, Code::Ok, 0);
    end_answer(out, query);
    return out;
}

bool answers_query(std::string_view message, std::uint16_t id, const Query& query) {
    if (message.size() < header_size + query.question.size() || message.size() > max_message) return false;
    if (get16(message, 0) != id || !(get16(message, 2) & flag_response) || get16(message, 4) != 1) return false;
    auto question = message.substr(header_size, query.question.size());
    // Servers may change the case of the name; length bytes are below 'A'. Type and class count exactly.
    auto name_size = query.question.size() - 4;
    return to_lower(question.substr(0, name_size)) == to_lower(std::string_view(query.question).substr(0, name_size)) &&
           question.substr(name_size) == std::string_view(query.question).substr(name_size);
}

void set_id(std::string& message, std::uint16_t id) {
    message[0] = static_cast<char>(id >> 8);
    message[1] = static_cast<char>(id & 0xff);
}

bool is_truncated(std::string_view message) {
    return message.size() >= header_size && (get16(message, 2) & flag_truncated);
}

std::optional<IpAddress> reverse_address(std::string_view text) {
    std::string name = to_lower(text);
    auto strip = [&](std::string_view suffix) {
        if (!name.ends_with(suffix)) return false;
        name.resize(name.size() - suffix.size());
        return true;
    };
    if (strip(".in-addr.arpa")) {
        auto parts = split(name, '.');
        if (parts.size() != 4) return std::nullopt;
        std::uint8_t bytes[4];
        for (std::size_t i = 0; i < 4; ++i) {
            auto value = parse_uint(parts[i]);
            if (!value || *value > 255 || parts[i].size() > 3) return std::nullopt;
            bytes[3 - i] = static_cast<std::uint8_t>(*value);
        }
        return IpAddress::from_bytes(Family::V4, bytes);
    }
    if (!strip(".ip6.arpa") || name.size() != 63) return std::nullopt;
    os::net::Number128 number = 0;
    for (std::size_t i = 0; i < 32; ++i) {
        std::size_t at = 62 - 2 * i;  // the last nibble first
        auto nibble = parse_uint(std::string_view(name).substr(at, 1), 16);
        if (!nibble || (at > 0 && name[at - 1] != '.')) return std::nullopt;
        number = number << 4 | *nibble;
    }
    return IpAddress::from_number(Family::V6, number);
}

}  // namespace pila::network::dns
