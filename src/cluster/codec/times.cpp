// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>

#include <fmt/core.h>

#include "base/go_values.h"
#include "cluster/codec/codec.h"

namespace pila::cluster::codec {

namespace {

// Years 1 to 9999, which nanoseconds in 64 bits would not hold.
struct Fields {
    int year, month, day, hour, minute, second;
};

Fields split_time(std::int64_t seconds) {
    constexpr std::int64_t first = -62'135'596'800, last = 253'402'300'799;  // 0001-01-01 to 9999-12-31
    std::chrono::sys_seconds time{std::chrono::seconds(std::clamp(seconds, first, last))};
    auto day = std::chrono::floor<std::chrono::days>(time);
    std::chrono::year_month_day date(day);
    auto rest = static_cast<int>((time - day).count());
    return {int(date.year()),
            static_cast<int>(unsigned(date.month())),
            static_cast<int>(unsigned(date.day())),
            rest / 3600,
            rest / 60 % 60,
            rest % 60};
}

// A number of exactly `digits` digits at the start of `text`, taken off it; -1: there is none.
int take_number(std::string_view& text, std::size_t digits) {
    if (text.size() < digits) return -1;
    int number = 0;
    for (char c : text.substr(0, digits)) {
        if (c < '0' || c > '9') return -1;
        number = number * 10 + (c - '0');
    }
    text.remove_prefix(digits);
    return number;
}

bool take(std::string_view& text, char wanted) {
    if (text.empty() || text.front() != wanted) return false;
    text.remove_prefix(1);
    return true;
}

// Seconds east of UTC; false: not an offset
bool take_offset(std::string_view& text, int& offset) {
    if (take(text, 'Z')) return true;
    int sign = text.starts_with('-') ? -1 : 1;
    if (!take(text, '+') && !take(text, '-')) return false;
    int hours = take_number(text, 2);
    if (!take(text, ':')) return false;
    int minutes = take_number(text, 2);
    if (hours < 0 || hours > 24 || minutes < 0 || minutes > 59) return false;
    offset = sign * (hours * 3600 + minutes * 60);
    return true;
}

}  // namespace

std::string format_time(std::int64_t unix_seconds) {
    auto at = split_time(unix_seconds);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", at.year, at.month, at.day, at.hour, at.minute,
                       at.second);
}

std::string format_micro_time(std::int64_t unix_microseconds) {
    auto micro = unix_microseconds % 1'000'000;
    if (micro < 0) micro += 1'000'000;
    auto at = split_time((unix_microseconds - micro) / 1'000'000);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", at.year, at.month, at.day, at.hour, at.minute,
                       at.second, micro);
}

Result<std::int64_t> parse_time(std::string_view text) {
    auto refused = [whole = text] {
        return Error(Errc::Invalid, fmt::format("parsing time {} as \"2006-01-02T15:04:05Z07:00\": it is no such time",
                                                go_quote(whole)));
    };
    if (text.size() > 64) return refused();
    int year = take_number(text, 4);
    if (!take(text, '-')) return refused();
    int month = take_number(text, 2);
    if (!take(text, '-')) return refused();
    int day = take_number(text, 2);
    if (!take(text, 'T')) return refused();
    int hour = take_number(text, 2);
    if (!take(text, ':')) return refused();
    int minute = take_number(text, 2);
    if (!take(text, ':')) return refused();
    int second = take_number(text, 2);
    std::int64_t micro = 0;
    if (take(text, '.') || take(text, ',')) {
        std::int64_t unit = 100'000;
        std::size_t digits = 0;
        for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits, unit /= 10)
            micro += unit * (text[digits] - '0');
        if (digits == 0) return refused();
        text.remove_prefix(digits);
    }
    int offset = 0;
    if (!take_offset(text, offset) || !text.empty()) return refused();
    std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                     std::chrono::day(static_cast<unsigned>(day))};
    if (year < 0 || month < 0 || day < 0 || !date.ok() || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second > 59)
        return refused();
    std::int64_t seconds = std::chrono::sys_days(date).time_since_epoch().count() * std::int64_t{86'400} + hour * 3600 +
                           minute * 60 + second - offset;
    return seconds * 1'000'000 + micro;
}

}  // namespace pila::cluster::codec
