// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "cli/template_internal.h"
#include "cli/units.h"

namespace pila::cli::template_detail {

namespace {

struct Verb {
    char letter = 'v';
    bool minus = false, plus = false, zero = false, space = false, sharp = false;
    int width = 0;
    int precision = -1;
};

std::string in_base(const json::value& value, const Verb& verb, int base) {
    char digits[80];
    bool negative = value.is_int64() && value.get_int64() < 0;
    auto magnitude = value.is_uint64() ? value.get_uint64()
                     : negative        ? ~static_cast<std::uint64_t>(value.get_int64()) + 1
                                       : static_cast<std::uint64_t>(value.get_int64());
    auto end = std::to_chars(digits, digits + sizeof digits, magnitude, base).ptr;
    std::string text(digits, end);
    if (verb.letter == 'X')
        for (char& c : text)
            if (c >= 'a') c = static_cast<char>(c - 'a' + 'A');
    if (negative) return "-" + text;
    return verb.plus ? "+" + text : verb.space ? " " + text : text;
}

std::string floating(const json::value& value, const Verb& verb) {
    double number = value.is_double()  ? value.get_double()
                    : value.is_int64() ? static_cast<double>(value.get_int64())
                                       : static_cast<double>(value.get_uint64());
    char format[16], buffer[512];
    std::snprintf(format, sizeof format, "%%%s.*%c", verb.plus ? "+" : "", verb.letter);
    if (verb.precision < 0 && (verb.letter == 'g' || verb.letter == 'G')) return go_float(number);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    std::snprintf(buffer, sizeof buffer, format, verb.precision < 0 ? 6 : verb.precision, number);
#pragma GCC diagnostic pop
    return buffer;
}

std::string converted(const json::value& value, const Verb& verb) {
    bool whole = value.is_int64() || value.is_uint64();
    auto bad = [&] {
        std::string_view type = value.is_string()   ? "string"
                                : whole             ? "int"
                                : value.is_bool()   ? "bool"
                                : value.is_double() ? "float64"
                                                    : "";
        return value.is_null() ? fmt::format("%!{}(<nil>)", verb.letter)
                               : fmt::format("%!{}({}={})", verb.letter, type, printed(value));
    };
    auto cut = [&](std::string text) {
        if (verb.precision >= 0 && text.size() > static_cast<std::size_t>(verb.precision))
            text.resize(static_cast<std::size_t>(verb.precision));
        return text;
    };
    switch (verb.letter) {
        case 'v':
            if (verb.sharp && value.is_string()) return go_quote(value.get_string());
            return printed(value, "<nil>");
        case 's': return value.is_string() || value.is_array() || value.is_object() ? cut(printed(value)) : bad();
        case 'q': return value.is_string() ? go_quote(value.get_string()) : bad();
        case 't': return value.is_bool() ? printed(value) : bad();
        case 'd': return whole ? in_base(value, verb, 10) : bad();
        case 'b': return whole ? in_base(value, verb, 2) : bad();
        case 'o': return whole ? in_base(value, verb, 8) : bad();
        case 'x':
        case 'X': return whole ? in_base(value, verb, 16) : value.is_string() ? hex(value.get_string()) : bad();
        case 'c':
            return whole && value.to_number<std::int64_t>() >= 0 && value.to_number<std::int64_t>() < 128
                       ? std::string(1, static_cast<char>(value.to_number<std::int64_t>()))
                       : bad();
        case 'e':
        case 'E':
        case 'f':
        case 'F':
        case 'g':
        case 'G': return value.is_double() ? floating(value, verb) : bad();
        default: return bad();
    }
}

int number_at(std::string_view format, std::size_t& at) {
    int number = 0;
    for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at)
        number = std::min(number * 10 + (format[at] - '0'), 4096);
    return number;
}

void append_padded(std::string& out, std::string text, const Verb& verb) {
    std::size_t runes = 0;
    for (char c : text) runes += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    auto width = static_cast<std::size_t>(verb.width);
    std::string fill(width > runes ? width - runes : 0, verb.zero && !verb.minus ? '0' : ' ');
    if (verb.zero && !verb.minus && !text.empty() && (text[0] == '-' || text[0] == '+')) {
        out += text[0];
        text.erase(0, 1);
    }
    out += verb.minus ? text + fill : fill + text;
}

}  // namespace

Result<std::string> go_printf(const std::vector<Value>& arguments) {
    if (!arguments[0]->is_string()) return Error(Errc::Invalid, "wrong type for value; expected string");
    std::string_view format = arguments[0]->get_string();
    std::string out;
    std::size_t next = 1;
    for (std::size_t at = 0; at < format.size();) {
        if (format[at] != '%') {
            out += format[at++];
            continue;
        }
        Verb verb;
        for (++at; at < format.size(); ++at) {
            char c = format[at];
            if (c == '-')
                verb.minus = true;
            else if (c == '+')
                verb.plus = true;
            else if (c == '0')
                verb.zero = true;
            else if (c == ' ')
                verb.space = true;
            else if (c == '#')
                verb.sharp = true;
            else
                break;
        }
        verb.width = number_at(format, at);
        if (at < format.size() && format[at] == '.') verb.precision = number_at(format, ++at);
        if (at >= format.size()) return out + "%!(NOVERB)";
        verb.letter = format[at++];
        if (verb.letter == '%')
            out += '%';
        else if (next >= arguments.size())
            out += fmt::format("%!{}(MISSING)", verb.letter);
        else
            append_padded(out, converted(*arguments[next++], verb), verb);
    }
    return out;
}

}  // namespace pila::cli::template_detail
