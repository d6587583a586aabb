// SPDX-License-Identifier: Apache-2.0
#include "cli/units.h"

#include <fmt/core.h>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "base/text.h"

namespace pila::cli {

namespace {

std::string scaled(double size, double base, const std::array<std::string_view, 9>& units, int digits) {
    std::size_t unit = 0;
    while (size >= base && unit + 1 < units.size()) {
        size /= base;
        ++unit;
    }
    return format_significant(size, digits) + std::string(units[unit]);
}

bool all_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string format_significant(double value, int digits) {
    char buffer[64];
    std::snprintf(buffer, sizeof buffer, "%.*g", digits, value);
    return buffer;
}

std::string decimal_size(double bytes, int digits) {
    return scaled(bytes, 1000.0, {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"}, digits);
}

std::string binary_size(double bytes) {
    return scaled(bytes, 1024.0, {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}, 4);
}

std::string human_duration(std::int64_t nanoseconds) {
    double hours_exact = static_cast<double>(nanoseconds) / 3.6e12;
    std::int64_t seconds = nanoseconds / 1'000'000'000, minutes = seconds / 60;
    auto hours = static_cast<std::int64_t>(hours_exact + 0.5);
    if (seconds < 1) return "Less than a second";
    if (seconds == 1) return "1 second";
    if (seconds < 60) return fmt::format("{} seconds", seconds);
    if (minutes == 1) return "About a minute";
    if (minutes < 60) return fmt::format("{} minutes", minutes);
    if (hours == 1) return "About an hour";
    if (hours < 48) return fmt::format("{} hours", hours);
    if (hours < 24 * 7 * 2) return fmt::format("{} days", hours / 24);
    if (hours < 24 * 30 * 2) return fmt::format("{} weeks", hours / 24 / 7);
    if (hours < 24 * 365 * 2) return fmt::format("{} months", hours / 24 / 30);
    return fmt::format("{} years", static_cast<std::int64_t>(hours_exact) / 24 / 365);
}

std::string ago(std::int64_t unix_seconds) {
    return human_duration(now_wall().nanoseconds - unix_seconds * 1'000'000'000) + " ago";
}

Result<std::string> parse_since(std::string_view text, WallTime now) {
    auto as_text = [](std::int64_t nanoseconds) {
        return fmt::format("{}.{:09}", nanoseconds / 1'000'000'000, nanoseconds % 1'000'000'000);
    };
    if (auto duration = parse_go_duration(text); duration && text != "0")
        return std::to_string((now.nanoseconds - *duration) / 1'000'000'000);
    auto dot = text.find('.');
    if (all_digits(text.substr(0, dot)) && (dot == std::string_view::npos || all_digits(text.substr(dot + 1))))
        return std::string(text);
    // Local time when the text names no zone, as docker does; missing parts are zero.
    std::string whole(text);
    auto zone = whole.find_first_of("Z+", 10);
    if (zone == std::string::npos) zone = whole.find('-', 10);
    std::string suffix = zone == std::string::npos ? "" : whole.substr(zone);
    std::string date = whole.substr(0, zone);
    static constexpr std::string_view filler = "0000-01-01T00:00:00";
    if (date.size() < filler.size() && (date.size() == 10 || date.size() == 13 || date.size() == 16))
        date += filler.substr(date.size());
    auto time = parse_rfc3339(date + (suffix.empty() ? "Z" : suffix));
    if (!time)
        return Error(Errc::Invalid, fmt::format("failed to parse value as time or duration: {}", go_quote(text)));
    if (suffix.empty()) {
        std::tm parts{};
        std::time_t seconds = time->seconds();
        ::gmtime_r(&seconds, &parts);
        parts.tm_isdst = -1;
        time->nanoseconds += (std::mktime(&parts) - seconds) * 1'000'000'000;
    }
    return as_text(time->nanoseconds);
}

std::string go_float(double value) {
    char buffer[64];
    double magnitude = std::fabs(value);
    auto format = magnitude != 0 && (magnitude < 1e-4 || magnitude >= 1e21) ? std::chars_format::scientific
                                                                            : std::chars_format::fixed;
    auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value, format);
    return error == std::errc{} ? std::string(buffer, end) : fmt::format("{}", value);
}

std::string local_time(std::int64_t unix_seconds) {
    std::tm parts{};
    std::time_t seconds = unix_seconds;
    ::localtime_r(&seconds, &parts);
    char buffer[64];
    auto length = std::strftime(buffer, sizeof buffer, "%Y-%m-%d %H:%M:%S %z %Z", &parts);
    return std::string(buffer, length);
}

std::string ellipsis(std::string_view text, std::size_t max_runes) {
    std::size_t runes = 0, keep = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) continue;
        if (runes + 1 == max_runes) keep = i;
        ++runes;
    }
    if (runes <= max_runes) return std::string(text);
    if (max_runes <= 1) return std::string(text.substr(0, max_runes));
    return std::string(text.substr(0, keep)) + "\xe2\x80\xa6";
}

std::string short_id(std::string_view id) {
    if (auto colon = id.find(':'); colon != std::string_view::npos) id.remove_prefix(colon + 1);
    return std::string(id.substr(0, 12));
}

}  // namespace pila::cli
