// SPDX-License-Identifier: Apache-2.0
#include "cluster/kinds/schedule.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "base/text.h"

namespace pila::cluster::kinds {

namespace {

constexpr std::array<std::string_view, 12> months{"jan", "feb", "mar", "apr", "may", "jun",
                                                  "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> days{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

struct Field {
    int low, high;
    const std::string_view* names = nullptr;
    int name_count = 0;
};
constexpr std::array<Field, 5> fields{{{0, 59}, {0, 23}, {1, 31}, {1, 12, months.data(), 12}, {0, 6, days.data(), 7}}};

std::optional<int> number_of(std::string_view text, const Field& field) {
    const auto lower = to_lower(text);
    for (int i = 0; i < field.name_count; ++i)
        if (lower == field.names[i]) return field.low + i;
    int number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
    return number;
}

// *, N, N-M, each with /STEP
std::string range_fault(std::string_view text, const Field& field) {
    const auto steps = split(text, '/');
    const auto ends = split(steps[0], '-');
    if (steps.size() > 2) return fmt::format("too many slashes: {}", text);
    int low = field.low, high = field.high;
    if (ends[0] == "*" || ends[0] == "?") {
        if (ends.size() > 1) return fmt::format("too many hyphens: {}", text);
    } else {
        const auto first = number_of(ends[0], field);
        if (!first)
            return fmt::format("failed to parse int from {}: strconv.Atoi: parsing {}: invalid syntax", ends[0],
                               quoted(ends[0]));
        low = *first;
        if (ends.size() > 2) return fmt::format("too many hyphens: {}", text);
        if (ends.size() == 2) {
            const auto last = number_of(ends[1], field);
            if (!last)
                return fmt::format("failed to parse int from {}: strconv.Atoi: parsing {}: invalid syntax", ends[1],
                                   quoted(ends[1]));
            high = *last;
        } else if (steps.size() == 1) {
            high = low;
        }
    }
    if (steps.size() == 2) {
        const auto step = number_of(steps[1], {0, 0});
        if (!step)
            return fmt::format("failed to parse int from {}: strconv.Atoi: parsing {}: invalid syntax", steps[1],
                               quoted(steps[1]));
        if (*step == 0) return fmt::format("step of range should be a positive number: {}", text);
    }
    if (low < field.low) return fmt::format("beginning of range ({}) below minimum ({}): {}", low, field.low, text);
    if (high > field.high) return fmt::format("end of range ({}) above maximum ({}): {}", high, field.high, text);
    if (low > high) return fmt::format("beginning of range ({}) beyond end of range ({}): {}", low, high, text);
    return {};
}

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    for (auto word : split(text, ' '))
        if (!(word = trim(word)).empty()) words.push_back(word);
    return words;
}

bool is_duration(std::string_view text) {  // 1h30m
    bool any = false;
    while (!text.empty()) {
        const auto digits = text.find_first_not_of("0123456789.");
        if (digits == 0 || digits == std::string_view::npos) return false;
        text.remove_prefix(digits);
        const auto unit = std::min(text.find_first_of("0123456789."), text.size());
        const auto name = text.substr(0, unit);
        if (name != "h" && name != "m" && name != "s" && name != "ms" && name != "us" && name != "ns") return false;
        text.remove_prefix(unit);
        any = true;
    }
    return any;
}

}  // namespace

std::string schedule_fault(std::string_view schedule) {
    if (schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=")) {
        const auto space = schedule.find(' ');
        schedule = space == std::string_view::npos ? std::string_view() : trim(schedule.substr(space));
    }
    if (schedule.starts_with('@')) {
        constexpr std::string_view known[] = {"@yearly", "@annually", "@monthly", "@weekly",
                                              "@daily",  "@midnight", "@hourly"};
        if (std::find(std::begin(known), std::end(known), schedule) != std::end(known)) return {};
        if (schedule.starts_with("@every ")) {
            if (is_duration(schedule.substr(7))) return {};
            return fmt::format("failed to parse duration {}: time: invalid duration {}", schedule,
                               quoted(schedule.substr(7)));
        }
        return fmt::format("unrecognized descriptor: {}", schedule);
    }
    const auto words = words_of(schedule);
    if (words.size() != fields.size())
        return fmt::format("expected exactly 5 fields, found {}: [{}]", words.size(), fmt::join(words, " "));
    for (std::size_t i = 0; i < words.size(); ++i)
        for (const auto& part : split(words[i], ','))
            if (!part.empty())
                if (auto fault = range_fault(part, fields[i]); !fault.empty()) return fault;
    return {};
}

void check_time_zone(std::string_view zone, const Path& path, Report& report) {
    if (zone.empty()) return report.invalid(path, zone, "timeZone must be nil or non-empty string");
    if (zone == "Local")
        return report.invalid(path, zone,
                              "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones");
    const bool is_name = zone[0] != '/' && zone.find("..") == std::string_view::npos &&
                         std::all_of(zone.begin(), zone.end(), [](char letter) {
                             return (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z') ||
                                    (letter >= '0' && letter <= '9') || letter == '_' || letter == '/' ||
                                    letter == '-' || letter == '+';
                         });
    if (!is_name) report.invalid(path, zone, fmt::format("unknown time zone {}", zone));
}

}  // namespace pila::cluster::kinds
