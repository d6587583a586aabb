// SPDX-License-Identifier: Apache-2.0
#pragma once
// When a schedule of five fields (minute, hour, day, month, weekday), of a name (@daily) or of a distance (@every
// 1h30m) comes next (as github.com/robfig/cron).

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cluster/controllers/time_zone.h"

namespace pila::cluster::controllers {

class Cron {
public:
    // Invalid: what validation of CronJobs refuses.
    static Result<Cron> parse(std::string_view text);

    // The first time after `utc` (seconds since 1970). A time that a change of clocks skips does not come; one that it
    // repeats comes once. nullopt: not within five years.
    std::optional<std::int64_t> next(std::int64_t utc, const TimeZone& zone) const;

private:
    using Set = std::bitset<64>;
    static bool read_field(std::string_view text, int low, int high, const std::string_view* names, int count,
                           Set& set);
    bool matches_day(unsigned day, unsigned weekday) const;

    Set minutes_, hours_, days_, months_, weekdays_;
    bool any_day_ = false, any_weekday_ = false;
    std::int64_t every_ = 0;  // seconds; 0: the fields say it
};

}  // namespace pila::cluster::controllers
