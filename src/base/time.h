// SPDX-License-Identifier: Apache-2.0
#pragma once
// Wall-clock times as the APIs write them. Durations are measured with std::chrono::steady_clock instead.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pila {

// Nanoseconds since 1970-01-01T00:00:00Z. Zero stands for "never" and prints as Go's zero time.
struct WallTime {
    std::int64_t nanoseconds = 0;
    auto operator<=>(const WallTime&) const = default;
    std::int64_t seconds() const { return nanoseconds / 1'000'000'000; }
};

WallTime now_wall();

// RFC 3339 with nine digits less trailing zeros, in UTC, as Go's RFC3339Nano: "2026-11-01T10:00:00.5Z".
// WallTime{0} gives "0001-01-01T00:00:00Z".
std::string rfc3339_nano(WallTime time);
std::optional<WallTime> parse_rfc3339(std::string_view text);  // any offset, up to nine digits of fraction

}  // namespace pila
