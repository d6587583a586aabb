// SPDX-License-Identifier: Apache-2.0
#include "cluster/codec/yaml_scalar_internal.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "crypto/base64.h"

namespace pila::cluster::codec {

namespace json = boost::json;

namespace {

constexpr std::string_view standard_tag = "tag:yaml.org,2002:";

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), text) != words.end();
}

std::optional<bool> as_bool(std::string_view text) {
    if (is_one_of(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})) return true;
    if (is_one_of(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})) return false;
    return std::nullopt;
}

bool is_null_word(std::string_view text) { return is_one_of(text, {"", "~", "null", "Null", "NULL"}); }

struct Magnitude {
    std::uint64_t value;
    bool negative;
};

// strconv.ParseInt with base 0: 0x1f, 0b11, 0o17 and 017
std::optional<Magnitude> as_integer(std::string_view text) {
    bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    int base = 10;
    if (text.size() > 1 && text[0] == '0') {
        char letter = static_cast<char>(text[1] | 0x20);
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        text.remove_prefix(letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1);
    }
    auto value = parse_uint(text, base);
    if (!value) return std::nullopt;
    return Magnitude{*value, negative};
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool looks_like_float(std::string_view text) {
    auto digits = [&] {
        std::size_t count = 0;
        while (!text.empty() && text[0] >= '0' && text[0] <= '9') text.remove_prefix(1), ++count;
        return count;
    };
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    auto whole = digits();
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        if (digits() == 0 && whole == 0) return false;
    } else if (whole == 0) {
        return false;
    }
    if (text.starts_with('e') || text.starts_with('E')) {
        text.remove_prefix(1);
        if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
        if (digits() == 0) return false;
    }
    return text.empty();
}

std::optional<double> as_float(std::string_view text) {
    if (!looks_like_float(text)) return std::nullopt;
    if (text.starts_with('+')) text.remove_prefix(1);
    double value = 0;
    auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

// As it reads once it was written as JSON: 1.0 is 1 there.
json::value number(double value) {
    constexpr double limit = 9.2e18;
    if (std::abs(value) < limit && std::trunc(value) == value) return static_cast<std::int64_t>(value);
    return value;
}

// nullopt: a string
std::optional<json::value> plain(std::string_view text) {
    if (is_null_word(text)) return json::value(nullptr);
    if (auto truth = as_bool(text)) return json::value(*truth);
    char first = text[0];
    if (first != '.' && first != '+' && first != '-' && (first < '0' || first > '9')) return std::nullopt;
    if (first == '.') {
        auto value = as_float(text);
        return value ? std::optional(number(*value)) : std::nullopt;
    }
    std::string digits(text);
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    if (auto integer = as_integer(digits)) {
        constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
        if (integer->value <= most) {
            auto value = static_cast<std::int64_t>(integer->value);
            return json::value(integer->negative ? -value : value);
        }
        if (integer->negative && integer->value == most + 1)
            return json::value(std::numeric_limits<std::int64_t>::min());
        if (!integer->negative) return json::value(static_cast<double>(integer->value));
    }
    if (auto value = as_float(digits)) return number(*value);
    return std::nullopt;
}

Result<void> refuse_infinity(std::string_view text) {
    if (is_one_of(text, {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf",
                         "-.INF"}))
        return Error(Errc::Invalid, fmt::format("json: unsupported value: {}", text));
    return {};
}

Error wrong_tag(std::string_view text, std::string_view kind) {
    return {Errc::Invalid, fmt::format("cannot decode `{}` as a !!{}", text, kind)};
}

json::value string_value(std::string_view text, const json::storage_ptr& memory) { return json::value(text, memory); }

Result<json::value> tagged(std::string_view kind, const std::string& text, const json::storage_ptr& memory) {
    if (kind == "binary") {
        auto compact = text;
        std::erase_if(compact, [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
        auto bytes = crypto::base64_decode(compact);
        if (!bytes || !is_utf8(*bytes)) return Error(Errc::Invalid, "!!binary value contains invalid base64 data");
        return string_value(*bytes, memory);
    }
    if (!is_one_of(kind, {"null", "bool", "int", "float"})) return string_value(text, memory);
    if (kind == "float") TRY(refuse_infinity(text));
    auto found = plain(text);
    bool fits = found && (kind == "null"   ? found->is_null()
                          : kind == "bool" ? found->is_bool()
                          : kind == "int"  ? found->is_int64() || (found->is_double() && as_integer(text))
                                           : found->is_number());
    if (!fits) return wrong_tag(text, kind);
    return *found;
}

}  // namespace

Result<json::value> resolve_scalar(std::string_view tag, const std::string& text, json::storage_ptr memory) {
    if (tag == "!") return string_value(text, memory);
    if (tag == "?" || tag.empty()) {
        TRY(refuse_infinity(text));
        auto found = plain(text);
        return found ? std::move(*found) : string_value(text, memory);
    }
    if (tag.starts_with(standard_tag)) return tagged(tag.substr(standard_tag.size()), text, memory);
    return string_value(text, memory);
}

Result<std::string> resolve_name(std::string_view tag, const std::string& text) {
    auto value = TRY(resolve_scalar(tag, text, {}));
    if (const auto* string = value.if_string()) return std::string(*string);
    if (value.is_null()) return Error(Errc::Invalid, "a name cannot be null");
    if (const auto* truth = value.if_bool()) return std::string(*truth ? "true" : "false");
    if (const auto* integer = value.if_int64()) return std::to_string(*integer);
    return fmt::format("{}", value.get_double());
}

}  // namespace pila::cluster::codec
