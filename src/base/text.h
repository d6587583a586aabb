// SPDX-License-Identifier: Apache-2.0
#pragma once
// Small text helpers that more than one room needs.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pila {

std::vector<std::string_view> split(std::string_view text, char separator);  // "a,,b" -> {"a", "", "b"}; "" -> {""}
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);  // ASCII white space, both ends
std::string to_lower(std::string_view text);   // ASCII only
bool is_utf8(std::string_view text);
bool is_hex(std::string_view text);  // [0-9a-f]*, lower case only

// Whole text as a number, no sign for unsigned, no white space; nullopt otherwise.
std::optional<std::int64_t> parse_int(std::string_view text);
std::optional<std::uint64_t> parse_uint(std::string_view text, int base = 10);

// A JSON string literal, quotes included. Bytes that are not UTF-8 become U+FFFD.
std::string json_quote(std::string_view text);
void append_json_quoted(std::string& out, std::string_view text);

// Control characters become \xNN, so that text from outside cannot forge log lines or drive a terminal.
std::string printable(std::string_view text);

std::string hex(std::string_view bytes);

}  // namespace pila
