// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <cmath>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/codec/codec.h"

namespace pila::cluster::codec {

namespace {

// As encoding/json: 3.5, 1000, 1e+21, 1e-7
void append_double(std::string& out, double number) {
    if (number == 0) return void(out += '0');  // no "-0", which would be read as an integer
    char buffer[40];
    auto magnitude = std::abs(number);
    bool is_plain = magnitude >= 1e-6 && magnitude < 1e21;
    auto end = std::to_chars(buffer, buffer + sizeof buffer, number,
                             is_plain ? std::chars_format::fixed : std::chars_format::scientific)
                   .ptr;
    std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
    // e-07 to e-7
    if (auto size = text.size(); !is_plain && size >= 4 && text.substr(size - 4, 3) == "e-0") {
        out.append(text.substr(0, size - 2)).append(text.substr(size - 1));
        return;
    }
    out += text;
}

void append(std::string& out, const json::value& value) {
    switch (value.kind()) {
        case json::kind::null: out += "null"; return;
        case json::kind::bool_: out += value.get_bool() ? "true" : "false"; return;
        case json::kind::int64:
        case json::kind::uint64: {
            char buffer[24];
            auto* end = value.is_int64() ? std::to_chars(buffer, buffer + sizeof buffer, value.get_int64()).ptr
                                         : std::to_chars(buffer, buffer + sizeof buffer, value.get_uint64()).ptr;
            out.append(buffer, end);
            return;
        }
        case json::kind::double_: append_double(out, value.get_double()); return;
        case json::kind::string: append_json_quoted(out, value.get_string()); return;
        case json::kind::array: {
            char before = '[';
            for (const auto& item : value.get_array()) {
                out += before;
                append(out, item);
                before = ',';
            }
            out += before == '[' ? "[]" : "]";
            return;
        }
        case json::kind::object: {
            char before = '{';
            for (const auto& member : value.get_object()) {
                out += before;
                append_json_quoted(out, std::string_view(member.key()));
                out += ':';
                append(out, member.value());
                before = ',';
            }
            out += before == '{' ? "{}" : "}";
            return;
        }
    }
}

}  // namespace

std::string write_json(const json::value& value) {
    std::string out;
    out.reserve(2048);
    append(out, value);
    return out;
}

}  // namespace pila::cluster::codec
