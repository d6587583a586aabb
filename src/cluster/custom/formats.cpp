// SPDX-License-Identifier: Apache-2.0
// Formats of strings that k8s.io/kube-openapi/pkg/validation/strfmt knows and schemas use.
#include <algorithm>

#include "base/go_pattern.h"
#include "base/go_values.h"
#include "base/text.h"
#include "cluster/codec/codec.h"
#include "cluster/custom/compile_internal.h"
#include "cluster/kinds/names.h"

namespace pila::cluster::custom {

namespace {

const GoPattern& pattern(std::string_view text) {
    static const auto none = GoPattern::compile("").take();
    static thread_local std::vector<std::pair<std::string_view, GoPattern>> known;
    for (const auto& [name, compiled] : known)
        if (name == text) return compiled;
    auto compiled = GoPattern::compile(text);
    return compiled ? known.emplace_back(text, compiled.take()).second : none;
}

bool is_date(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
    return codec::parse_time(std::string(text) + "T00:00:00Z").ok();
}

bool is_base64(std::string_view text) {
    std::string plain;
    std::copy_if(text.begin(), text.end(), std::back_inserter(plain), [](char c) { return c != '\n' && c != '\r'; });
    return plain.size() % 4 == 0 && pattern("^[A-Za-z0-9+/]*={0,2}$").matches(plain);
}

bool is_url(std::string_view text) {
    return pattern(R"(^[a-zA-Z][a-zA-Z0-9+.\-]*:[^\s]*$)").matches(text) || text.starts_with('/');
}

// Go's, and words of old: "2 days"
bool is_duration(std::string_view text) {
    if (parse_go_duration(text).ok()) return true;
    return pattern(R"(^(\d+(\.\d+)?\s*(ns|us|µs|ms|s|m|h|d|w|nanos?|nanoseconds?|micros?|microseconds?|millis?|)"
                   R"(milliseconds?|secs?|seconds?|mins?|minutes?|hrs?|hours?|days?|wks?|weeks?)\s*)+$)")
        .matches(text);
}

bool is_ipv4(std::string_view text) { return kinds::is_ip_address(text) && !kinds::is_ipv6_address(text); }
bool is_hostname(std::string_view text) {
    return pattern(
               R"(^([a-zA-Z0-9]([a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([a-zA-Z0-9\-]{0,61}[a-zA-Z0-9])?)*\.?$)")
               .matches(text) &&
           text.size() <= 255;
}
bool is_email(std::string_view text) { return pattern(R"(^[^@\s<>]+@[^@\s<>]+$)").matches(text); }
bool is_mac(std::string_view text) {
    return pattern("^([0-9a-fA-F]{2}[:-]){5}([0-9a-fA-F]{2})$|^([0-9a-fA-F]{4}\\.){2}[0-9a-fA-F]{4}$").matches(text);
}
bool is_uuid(std::string_view text) {
    return pattern("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$").matches(text);
}
bool is_time(std::string_view text) { return codec::parse_time(text).ok(); }
bool is_hex_color(std::string_view text) { return pattern("^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$").matches(text); }
bool is_object_id(std::string_view text) { return pattern("^[0-9a-fA-F]{24}$").matches(text); }
bool is_short_name(std::string_view text) { return kinds::dns_label(text).empty(); }
bool is_long_name(std::string_view text) { return kinds::dns_subdomain(text).empty(); }

struct Format {
    std::string_view name;
    bool (*check)(std::string_view text);
};

constexpr Format formats[] = {
    {"bsonobjectid", is_object_id},
    {"byte", is_base64},
    {"cidr", kinds::is_cidr},
    {"date", is_date},
    {"date-time", is_time},
    {"datetime", is_time},
    {"duration", is_duration},
    {"email", is_email},
    {"hexcolor", is_hex_color},
    {"hostname", is_hostname},
    {"ipv4", is_ipv4},
    {"ipv6", kinds::is_ipv6_address},
    {"k8s-long-name", is_long_name},
    {"k8s-short-name", is_short_name},
    {"mac", is_mac},
    {"uri", is_url},
    {"uuid", is_uuid},
};

}  // namespace

bool is_of_format(std::string_view format, std::string_view text) {
    for (const auto& known : formats)
        if (known.name == format) return known.check(text);
    return true;
}

}  // namespace pila::cluster::custom
