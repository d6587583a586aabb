// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/time_zone.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

#include "base/text.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::size_t header_size = 44;

std::int64_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t index = 0; index < size; ++index)
        value = value << 8 | static_cast<unsigned char>(bytes[at + index]);
    return size == 4 ? static_cast<std::int32_t>(value) : static_cast<std::int64_t>(value);
}

struct Counts {
    std::size_t is_utc, is_standard, leaps, times, types, letters;
    std::size_t size(std::size_t time_size) const {
        return times * (time_size + 1) + types * 6 + letters + leaps * (time_size + 4) + is_standard + is_utc;
    }
};

Counts counts_at(std::string_view bytes, std::size_t at) {
    auto count = [&](std::size_t index) {
        return static_cast<std::size_t>(static_cast<std::uint32_t>(number_at(bytes, at + 20 + index * 4, 4)));
    };
    return {count(0), count(1), count(2), count(3), count(4), count(5)};
}

// "-1", "5:30", "+01:00:00": seconds
bool read_clock(std::string_view& text, std::int64_t& seconds) {
    bool negative = !text.empty() && text[0] == '-';
    if (!text.empty() && (text[0] == '-' || text[0] == '+')) text.remove_prefix(1);
    auto size = std::min(text.find_first_not_of("0123456789:"), text.size());
    auto parts = split(text.substr(0, size), ':');
    text.remove_prefix(size);
    seconds = 0;
    std::int64_t unit = 3600;
    for (auto part : parts) {
        auto number = parse_int(part);
        if (!number || unit == 0) return false;
        seconds += *number * unit;
        unit /= 60;
    }
    if (negative) seconds = -seconds;
    return true;
}

bool skip_name(std::string_view& text) {
    auto size = text.starts_with('<') ? text.find('>') + 1 : text.find_first_of("+-0123456789,");
    if (size == 0 || size == std::string_view::npos) size = text.size();
    text.remove_prefix(size);
    return size > 0;
}

}  // namespace

Result<TimeZone> TimeZone::load(const std::string& name, const std::string& directory) {
    if (name.empty() || name == "UTC" || name == "Etc/UTC") return TimeZone();
    if (name[0] == '/' || name.find("..") != std::string::npos)
        return Error(Errc::NotFound, "unknown time zone " + name);
    std::ifstream file(directory + "/" + name, std::ios::binary);
    std::ostringstream bytes;
    if (file) bytes << file.rdbuf();
    auto zone = parse(bytes.str());
    if (!zone) return Error(Errc::NotFound, "unknown time zone " + name);
    return zone;
}

Result<TimeZone> TimeZone::parse(std::string_view bytes) {
    auto damaged = [] { return Error(Errc::Invalid, "no time zone data"); };
    if (bytes.size() < header_size || bytes.substr(0, 4) != "TZif" || bytes[4] < '2') return damaged();
    auto second = header_size + counts_at(bytes, 0).size(4);  // the first part has times of 32 bits
    if (bytes.size() < second || bytes.size() - second < header_size) return damaged();
    auto counts = counts_at(bytes, second);
    if (counts.types == 0 || counts.size(8) > bytes.size() - second - header_size) return damaged();
    auto times = second + header_size, kinds = times + counts.times * 8, types = kinds + counts.times;
    TimeZone zone;
    zone.first_ = number_at(bytes, types, 4);
    for (std::size_t index = 0; index < counts.times; ++index) {
        auto type = static_cast<unsigned char>(bytes[kinds + index]);
        if (type >= counts.types) return damaged();
        zone.at_.push_back(number_at(bytes, times + index * 8, 8));
        zone.offset_.push_back(number_at(bytes, types + type * 6U, 4));
    }
    auto rule = trim(bytes.substr(second + header_size + counts.size(8)));
    zone.has_rule_ = !rule.empty() && zone.read_rule(rule);
    return zone;
}

bool TimeZone::read_change(std::string_view text, Change& change) {
    auto slash = text.find('/');
    auto date = text.substr(0, slash);
    if (!date.starts_with('M')) return false;  // days of the year: no place uses them today
    auto parts = split(date.substr(1), '.');
    if (parts.size() != 3) return false;
    auto month = parse_int(parts[0]), week = parse_int(parts[1]), day = parse_int(parts[2]);
    if (!month || !week || !day || *month < 1 || *month > 12 || *week < 1 || *week > 5 || *day < 0 || *day > 6)
        return false;
    change = {static_cast<int>(*month), static_cast<int>(*week), static_cast<int>(*day)};
    if (slash == std::string_view::npos) return true;
    auto clock = text.substr(slash + 1);
    return read_clock(clock, change.time) && clock.empty();
}

// "CET-1CEST,M3.5.0,M10.5.0/3": west of Greenwich counts upwards there.
bool TimeZone::read_rule(std::string_view text) {
    if (!skip_name(text) || !read_clock(text, standard_)) return false;
    standard_ = -standard_;
    if (text.empty()) return true;
    if (!skip_name(text)) return false;
    summer_ = standard_ + 3600;
    if (!text.empty() && text[0] != ',') {
        if (!read_clock(text, summer_)) return false;
        summer_ = -summer_;
    }
    auto parts = split(text, ',');
    has_summer_ = parts.size() == 3 && read_change(parts[1], to_summer_) && read_change(parts[2], to_standard_);
    return has_summer_;
}

std::int64_t TimeZone::Change::in_year(std::int64_t year) const {
    using namespace std::chrono;
    auto first = std::chrono::year(static_cast<int>(year)) / static_cast<unsigned>(month);
    auto weekday = std::chrono::weekday(static_cast<unsigned>(day));
    auto date = week == 5 ? sys_days(first / weekday[last]) : sys_days(first / weekday[static_cast<unsigned>(week)]);
    return static_cast<std::int64_t>(date.time_since_epoch().count()) * 86400 + time;
}

std::int64_t TimeZone::offset_at(std::int64_t utc) const {
    auto after = std::upper_bound(at_.begin(), at_.end(), utc);
    bool is_last = after == at_.end();
    if (!is_last || !has_rule_) {
        if (after == at_.begin()) return first_;
        return offset_[static_cast<std::size_t>(after - at_.begin()) - 1];
    }
    if (!has_summer_) return standard_;
    using namespace std::chrono;
    auto day = floor<days>(sys_seconds(seconds(utc + standard_)));
    auto year = static_cast<int>(year_month_day(day).year());
    auto begin = to_summer_.in_year(year) - standard_, end = to_standard_.in_year(year) - summer_;
    bool is_summer = begin < end ? utc >= begin && utc < end : utc >= begin || utc < end;  // south: over the new year
    return is_summer ? summer_ : standard_;
}

}  // namespace pila::cluster::controllers
