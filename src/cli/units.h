// SPDX-License-Identifier: Apache-2.0
#pragma once
// Numbers, sizes and times as docker's command line reads and writes them.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/go_values.h"
#include "base/result.h"
#include "base/time.h"

namespace pila::cli {

// 1234567 -> "1.235MB": units of 1000, `digits` significant ones.
std::string decimal_size(double bytes, int digits = 4);
// 1234567 -> "1.177MiB": units of 1024.
std::string binary_size(double bytes);

// "2 minutes", "About an hour", "Less than a second"
std::string human_duration(std::int64_t nanoseconds);
// What --since and --until take: a Unix time, RFC 3339 (also without parts at the end), or a duration before `now`.
// The result is what the API wants: "SECONDS" or "SECONDS.NANOSECONDS".
Result<std::string> parse_since(std::string_view text, WallTime now);

std::string go_float(double value);                        // as %v
std::string format_significant(double value, int digits);  // as %.Ng

// Go's layout "2006-01-02 15:04:05 -0700 MST" in local time.
std::string local_time(std::int64_t unix_seconds);

// "AGE ago" of a Unix time in seconds.
std::string ago(std::int64_t unix_seconds);

std::string ellipsis(std::string_view text, std::size_t max_runes);  // cut with a trailing ellipsis character
std::string short_id(std::string_view id);                           // 12 digits, without "sha256:"

}  // namespace pila::cli
