// SPDX-License-Identifier: Apache-2.0
#include "base/go_values.h"

#include <fmt/core.h>
#include <charconv>
#include <cmath>

#include "base/text.h"

namespace pila {

namespace {

Error syntax(std::string_view function, std::string_view text) {
    return Error(Errc::Invalid, fmt::format("strconv.{}: parsing {}: invalid syntax", function, go_quote(text)));
}

Error out_of_range(std::string_view function, std::string_view text) {
    return Error(Errc::Invalid, fmt::format("strconv.{}: parsing {}: value out of range", function, go_quote(text)));
}

bool all_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

Result<std::int64_t> parse_ram_size(std::string_view text) {
    auto invalid = [&] { return Error(Errc::Invalid, fmt::format("invalid size: '{}'", text)); };
    auto last = text.find_last_of("0123456789. ");
    if (last == std::string_view::npos) return invalid();
    auto number = text[last] == ' ' ? text.substr(0, last) : text.substr(0, last + 1);
    auto suffix = text.substr(last + 1);
    double value = 0;
    auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc{} || end != number.data() + number.size()) return syntax("ParseFloat", number);
    if (value < 0) return invalid();
    double factor = 1;
    if (!suffix.empty()) {
        auto lower = to_lower(suffix);
        auto unit = std::string_view("kmgtp").find(lower[0]);
        bool known =
            unit != std::string_view::npos && (lower.size() == 1 || lower.substr(1) == "b" || lower.substr(1) == "ib");
        if (lower != "b" && !known) return Error(Errc::Invalid, fmt::format("invalid suffix: '{}'", suffix));
        if (known) factor = std::pow(1024.0, static_cast<double>(unit) + 1);
    }
    if (!(value * factor < 9.2e18)) return invalid();
    return static_cast<std::int64_t>(value * factor);
}

Result<std::int64_t> parse_go_duration(std::string_view text) {
    auto invalid = [&] { return Error(Errc::Invalid, fmt::format("time: invalid duration {}", go_quote(text))); };
    auto rest = text;
    bool negative = !rest.empty() && rest[0] == '-';
    if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
    if (rest == "0") return 0;
    if (rest.empty()) return invalid();
    static constexpr std::pair<std::string_view, double> units[] = {
        {"ns", 1},   {"us", 1e3}, {"\xc2\xb5s", 1e3}, {"\xce\xbcs", 1e3},
        {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},        {"h", 3600e9}};
    double total = 0;
    while (!rest.empty()) {
        auto length = std::min(rest.find_first_not_of("0123456789."), rest.size());
        double value = 0;
        auto [end, error] = std::from_chars(rest.data(), rest.data() + length, value);
        if (length == 0 || error != std::errc{} || end != rest.data() + length) return invalid();
        rest.remove_prefix(length);
        auto unit_length = std::min(rest.find_first_of("0123456789."), rest.size());
        auto unit = rest.substr(0, unit_length);
        if (unit.empty()) return Error(Errc::Invalid, fmt::format("time: missing unit in duration {}", go_quote(text)));
        double factor = 0;
        for (const auto& [name, nanoseconds] : units)
            if (name == unit) factor = nanoseconds;
        if (factor == 0)
            return Error(Errc::Invalid,
                         fmt::format("time: unknown unit {} in duration {}", go_quote(unit), go_quote(text)));
        total += value * factor;
        rest.remove_prefix(unit_length);
    }
    if (!(total < 9.2e18)) return invalid();
    auto nanoseconds = static_cast<std::int64_t>(std::llround(total));
    return negative ? -nanoseconds : nanoseconds;
}

Result<bool> parse_go_bool(std::string_view text) {
    for (std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"})
        if (text == yes) return true;
    for (std::string_view no : {"0", "f", "F", "false", "FALSE", "False"})
        if (text == no) return false;
    return syntax("ParseBool", text);
}

Result<std::int64_t> parse_go_int(std::string_view text, std::string_view function) {
    auto body = text;
    if (!body.empty() && body[0] == '+') body.remove_prefix(1);
    if (auto value = parse_int(body)) return *value;
    auto digits = !body.empty() && body[0] == '-' ? body.substr(1) : body;
    return all_digits(digits) ? out_of_range(function, text) : syntax(function, text);
}

Result<std::uint64_t> parse_go_uint(std::string_view text, std::string_view function) {
    if (auto value = parse_uint(text)) return *value;
    return all_digits(text) ? out_of_range(function, text) : syntax(function, text);
}

std::string go_quote(std::string_view text) {
    if (!is_utf8(text)) return json_quote(text);
    std::string quoted = "\"";
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        switch (c) {
            case '"': quoted += "\\\""; break;
            case '\\': quoted += "\\\\"; break;
            case '\n': quoted += "\\n"; break;
            case '\r': quoted += "\\r"; break;
            case '\t': quoted += "\\t"; break;
            default:
                if (byte < 0x20 || byte == 0x7f)
                    quoted += fmt::format("\\x{:02x}", byte);
                else
                    quoted += c;
        }
    }
    return quoted + "\"";
}

}  // namespace pila
