// SPDX-License-Identifier: Apache-2.0
#pragma once
// Times as tables show them: how long ago, in at most two units.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pila::cluster::table {

// "119s", "2m", "5m30s", "3h", "7h59m", "2d3h", "1y200d"; a little in the future is "0s", more is "<invalid>".
std::string short_duration(std::int64_t seconds);

// Unix seconds; nullopt: not RFC 3339, or the zero time of Go, which stands for "never".
std::optional<std::int64_t> read_time(std::string_view text);

std::string age_of(std::optional<std::int64_t> time, std::int64_t now);  // no time: "<unknown>"

}  // namespace pila::cluster::table
