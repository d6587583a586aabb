// SPDX-License-Identifier: Apache-2.0
#include "cluster/table/age.h"

#include <fmt/core.h>

#include "base/text.h"
#include "base/time.h"

namespace pila::cluster::table {

namespace {

constexpr std::int64_t minute = 60, hour = 60 * minute, day = 24 * hour, year = 365 * day;

// "3h5m", or "3h" when nothing is left over.
std::string two_units(std::int64_t seconds, std::int64_t large, char large_name, std::int64_t small, char small_name) {
    auto rest = seconds % large / small;
    if (rest == 0) return fmt::format("{}{}", seconds / large, large_name);
    return fmt::format("{}{}{}{}", seconds / large, large_name, rest, small_name);
}

}  // namespace

std::string short_duration(std::int64_t seconds) {
    if (seconds < -1) return "<invalid>";
    if (seconds < 0) return "0s";
    if (seconds < 2 * minute) return fmt::format("{}s", seconds);
    if (seconds < 10 * minute) return two_units(seconds, minute, 'm', 1, 's');
    if (seconds < 3 * hour) return fmt::format("{}m", seconds / minute);
    if (seconds < 8 * hour) return two_units(seconds, hour, 'h', minute, 'm');
    if (seconds < 2 * day) return fmt::format("{}h", seconds / hour);
    if (seconds < 8 * day) return two_units(seconds, day, 'd', hour, 'h');
    if (seconds < 2 * year) return fmt::format("{}d", seconds / day);
    if (seconds < 8 * year) return two_units(seconds, year, 'y', day, 'd');
    return fmt::format("{}y", seconds / year);
}

std::optional<std::int64_t> read_time(std::string_view text) {
    if (text.size() < 20) return std::nullopt;
    // WallTime counts nanoseconds in 64 bits, 292 years to each side: what is far away stays far away.
    auto years = parse_uint(text.substr(0, 4));
    if (!years || text.starts_with("0001-01-01T00:00:00")) return std::nullopt;
    std::string near(text);
    std::int64_t shift = 0;
    if (*years < 1900 || *years > 2200) {
        std::int64_t stand_in = *years % 4 == 0 ? 2000 : 2001;
        near.replace(0, 4, std::to_string(stand_in));
        shift = (static_cast<std::int64_t>(*years) - stand_in) * 31'556'952;  // seconds of a year, leap days spread out
    }
    auto time = parse_rfc3339(near);
    if (!time) return std::nullopt;
    return time->seconds() + shift;
}

std::string age_of(std::optional<std::int64_t> time, std::int64_t now) {
    if (!time) return "<unknown>";
    return short_duration(now - *time);
}

}  // namespace pila::cluster::table
