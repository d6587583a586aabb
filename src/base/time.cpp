// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <fmt/core.h>
#include <ctime>

#include "base/text.h"

namespace pila {

WallTime now_wall() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return {now.tv_sec * 1'000'000'000 + now.tv_nsec};
}

std::string rfc3339_nano(WallTime time) {
    if (time.nanoseconds == 0) return "0001-01-01T00:00:00Z";
    std::int64_t seconds = time.nanoseconds / 1'000'000'000;
    std::int64_t fraction = time.nanoseconds % 1'000'000'000;
    if (fraction < 0) {
        fraction += 1'000'000'000;
        seconds -= 1;
    }
    std::tm parts{};
    time_t as_time = seconds;
    ::gmtime_r(&as_time, &parts);
    auto text = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                            parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
    if (fraction != 0) {
        auto digits = fmt::format(".{:09}", fraction);
        digits.erase(digits.find_last_not_of('0') + 1);
        text += digits;
    }
    return text + "Z";
}

static std::optional<int> number_at(std::string_view text, std::size_t at, std::size_t length) {
    if (at + length > text.size()) return std::nullopt;
    for (char c : text.substr(at, length))
        if (c < '0' || c > '9') return std::nullopt;
    return static_cast<int>(*parse_uint(text.substr(at, length)));
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
    auto year = number_at(text, 0, 4), month = number_at(text, 5, 2), day = number_at(text, 8, 2);
    auto hour = number_at(text, 11, 2), minute = number_at(text, 14, 2), second = number_at(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != 't') || text[13] != ':' || text[16] != ':')
        return std::nullopt;
    if (*month < 1 || *month > 12 || *day < 1 || *day > 31 || *hour > 23 || *minute > 59 || *second > 60)
        return std::nullopt;
    std::tm parts{};
    parts.tm_year = *year - 1900;
    parts.tm_mon = *month - 1;
    parts.tm_mday = *day;
    parts.tm_hour = *hour;
    parts.tm_min = *minute;
    parts.tm_sec = *second;
    std::int64_t seconds = ::timegm(&parts);
    std::size_t at = 19;
    std::int64_t fraction = 0;
    if (at < text.size() && text[at] == '.') {
        std::int64_t unit = 100'000'000;
        for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, unit /= 10)
            fraction += unit * (text[at] - '0');
    }
    if (at + 1 == text.size() && (text[at] == 'Z' || text[at] == 'z'))
        return WallTime{seconds * 1'000'000'000 + fraction};
    if (at + 6 != text.size() || (text[at] != '+' && text[at] != '-') || text[at + 3] != ':') return std::nullopt;
    auto offset_hours = number_at(text, at + 1, 2), offset_minutes = number_at(text, at + 4, 2);
    if (!offset_hours || !offset_minutes || *offset_hours > 23 || *offset_minutes > 59) return std::nullopt;
    std::int64_t offset = (*offset_hours * 60 + *offset_minutes) * 60;
    seconds += text[at] == '-' ? offset : -offset;
    return WallTime{seconds * 1'000'000'000 + fraction};
}

}  // namespace pila
