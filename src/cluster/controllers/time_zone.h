// SPDX-License-Identifier: Apache-2.0
#pragma once
// Times of a place, from the machine's own database (RFC 8536: transitions, and a rule for what comes after them). The
// C library knows one time zone per process only.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::cluster::controllers {

class TimeZone {
public:
    TimeZone() = default;  // UTC
    // "Europe/Berlin" in `directory`. NotFound: there is none by that name.
    static Result<TimeZone> load(const std::string& name, const std::string& directory = "/usr/share/zoneinfo");
    static Result<TimeZone> parse(std::string_view bytes);

    // Seconds to add to a time of UTC, in seconds since 1970.
    std::int64_t offset_at(std::int64_t utc) const;

private:
    struct Change {  // "M3.5.0/2": the last Sunday of March, at two
        int month = 0, week = 0, day = 0;
        std::int64_t time = 7200;
        std::int64_t in_year(std::int64_t year) const;  // local seconds
    };
    bool read_rule(std::string_view text);
    static bool read_change(std::string_view text, Change& change);

    std::vector<std::int64_t> at_, offset_;  // from at_[i] on, offset_[i]
    std::int64_t first_ = 0;                 // before all of them
    bool has_rule_ = false, has_summer_ = false;
    std::int64_t standard_ = 0, summer_ = 0;
    Change to_summer_, to_standard_;
};

}  // namespace pila::cluster::controllers
