// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/cron.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/text.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::array<std::string_view, 12> month_names{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> day_names{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr int max_days = 5 * 366;

struct Alias {
    std::string_view name, fields;
};
constexpr Alias aliases[] = {{"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
                             {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
                             {"@hourly", "0 * * * *"}};

// "1h30m" in seconds, at least one
std::optional<std::int64_t> read_duration(std::string_view text) {
    std::int64_t seconds = 0;
    while (!text.empty()) {
        auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
        auto number = parse_int(text.substr(0, digits));
        auto unit = digits < text.size() ? text[digits] : '\0';
        if (!number || (unit != 'h' && unit != 'm' && unit != 's')) return std::nullopt;
        seconds += *number * (unit == 'h' ? 3600 : unit == 'm' ? 60 : 1);
        text.remove_prefix(digits + 1);
    }
    return std::max<std::int64_t>(seconds, 1);
}

}  // namespace

bool Cron::read_field(std::string_view text, int low, int high, const std::string_view* names, int count, Set& set) {
    auto number = [&](std::string_view word) -> std::optional<std::int64_t> {
        auto lower = to_lower(word);
        for (int index = 0; index < count; ++index)
            if (lower == names[index]) return low + index;
        return parse_int(word);
    };
    for (auto part : split(text, ',')) {
        if (part.empty()) continue;
        auto slash = part.find('/');
        auto range = part.substr(0, slash);
        std::optional<std::int64_t> step = 1, first = low, last = high;
        if (slash != std::string_view::npos) step = parse_int(part.substr(slash + 1));
        if (range != "*" && range != "?") {
            auto dash = range.find('-');
            first = number(range.substr(0, dash));
            if (dash != std::string_view::npos)
                last = number(range.substr(dash + 1));
            else if (slash == std::string_view::npos)
                last = first;
        }
        if (!step || *step < 1 || !first || !last || *first < low || *last > high || *first > *last) return false;
        for (auto value = *first; value <= *last; value += *step) set.set(static_cast<std::size_t>(value));
    }
    return set.any();
}

Result<Cron> Cron::parse(std::string_view text) {
    auto refuse = [&] { return Error(Errc::Invalid, "unparseable schedule: " + std::string(text)); };
    Cron cron;
    if (text.starts_with("@every ")) {
        auto distance = read_duration(trim(text.substr(7)));
        if (!distance) return refuse();
        cron.every_ = *distance;
        return cron;
    }
    auto fields = trim(text);
    for (const auto& alias : aliases)
        if (fields == alias.name) fields = alias.fields;
    std::vector<std::string_view> words;
    for (auto word : split(fields, ' '))
        if (!word.empty()) words.push_back(word);
    if (words.size() != 5) return refuse();
    bool fine = read_field(words[0], 0, 59, nullptr, 0, cron.minutes_) &&
                read_field(words[1], 0, 23, nullptr, 0, cron.hours_) &&
                read_field(words[2], 1, 31, nullptr, 0, cron.days_) &&
                read_field(words[3], 1, 12, month_names.data(), 12, cron.months_) &&
                read_field(words[4], 0, 6, day_names.data(), 7, cron.weekdays_);
    if (!fine) return refuse();
    cron.any_day_ = words[2].starts_with('*') || words[2].starts_with('?');
    cron.any_weekday_ = words[4].starts_with('*') || words[4].starts_with('?');
    return cron;
}

// Both a day and a weekday given: either will do.
bool Cron::matches_day(unsigned day, unsigned weekday) const {
    bool day_fits = days_.test(day), weekday_fits = weekdays_.test(weekday);
    return any_day_ || any_weekday_ ? day_fits && weekday_fits : day_fits || weekday_fits;
}

std::optional<std::int64_t> Cron::next(std::int64_t utc, const TimeZone& zone) const {
    using namespace std::chrono;
    if (every_ != 0) return utc + every_;
    auto day = floor<days>(sys_seconds(seconds(utc + zone.offset_at(utc))));
    for (int count = 0; count < max_days; ++count, day += days(1)) {
        year_month_day date(day);
        if (!months_.test(static_cast<unsigned>(date.month()))) continue;
        if (!matches_day(static_cast<unsigned>(date.day()), weekday(day).c_encoding())) continue;
        auto midnight = duration_cast<seconds>(day.time_since_epoch()).count();
        for (unsigned minute = 0; minute < 24 * 60; ++minute) {
            if (!hours_.test(minute / 60) || !minutes_.test(minute % 60)) continue;
            auto local = midnight + std::int64_t{minute} * 60;
            // By the offset of the day before, then by that of the day after: the first of two, if it comes twice.
            for (auto offset : {zone.offset_at(local - 86400), zone.offset_at(local + 86400)}) {
                auto at = local - offset;
                if (zone.offset_at(at) != offset) continue;
                if (at > utc) return at;
                break;
            }
        }
    }
    return std::nullopt;
}

}  // namespace pila::cluster::controllers
