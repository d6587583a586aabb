// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "cluster/table/age.h"

using namespace pila::cluster::table;

TEST_CASE("durations are short, and change their form where kubectl does") {
    constexpr std::int64_t minute = 60, hour = 3600, day = 24 * hour, year = 365 * day;
    struct Case {
        std::int64_t seconds;
        const char* text;
    };
    const Case cases[] = {
        {-1'000'000, "<invalid>"},
        {-2, "<invalid>"},
        {-1, "0s"},
        {0, "0s"},
        {1, "1s"},
        {119, "119s"},
        {2 * minute, "2m"},
        {2 * minute + 1, "2m1s"},
        {10 * minute - 1, "9m59s"},
        {10 * minute, "10m"},
        {10 * minute + 59, "10m"},
        {3 * hour - 1, "179m"},
        {3 * hour, "3h"},
        {3 * hour + 59, "3h"},
        {3 * hour + minute, "3h1m"},
        {8 * hour - 1, "7h59m"},
        {8 * hour, "8h"},
        {8 * hour + 59 * minute, "8h"},
        {2 * day - 1, "47h"},
        {2 * day, "2d"},
        {2 * day + hour - 1, "2d"},
        {2 * day + hour, "2d1h"},
        {8 * day - 1, "7d23h"},
        {8 * day, "8d"},
        {8 * day + 23 * hour, "8d"},
        {2 * year - 1, "729d"},
        {2 * year, "2y"},
        {2 * year + day - 1, "2y"},
        {2 * year + day, "2y1d"},
        {8 * year - 1, "7y364d"},
        {8 * year, "8y"},
        {9 * year - 1, "8y"},
        {100 * year, "100y"},
    };
    for (const auto& one : cases) CHECK_MESSAGE(short_duration(one.seconds) == one.text, one.seconds);
}

TEST_CASE("times are read, and the zero time is none") {
    CHECK(read_time("2025-06-01T12:00:00Z") == 1748779200);
    CHECK(read_time("2025-06-01T14:00:00+02:00") == 1748779200);
    CHECK(read_time("2025-06-01T12:00:00.999999Z") == 1748779200);
    CHECK(read_time("1970-01-01T00:00:00Z") == 0);
    for (const char* text : {"", "yesterday", "2025-06-01", "2025-06-01 12:00:00Z", "2025-13-01T12:00:00Z",
                             "2025-06-01T12:00:00", "0001-01-01T00:00:00Z", "-100-01-01T00:00:00Z"})
        CHECK_MESSAGE(!read_time(text), text);
    // What 64 bits of nanoseconds do not hold is still long ago, or far ahead.
    CHECK(*read_time("0800-02-29T00:00:00Z") < *read_time("1800-01-01T00:00:00Z"));
    CHECK(*read_time("9999-12-31T23:59:59Z") > *read_time("2199-01-01T00:00:00Z"));
    CHECK(age_of(read_time("9999-12-31T23:59:59Z"), 1748779200) == "<invalid>");
    CHECK(age_of(read_time("1025-06-01T12:00:00Z"), 1748779200) == "1000y");
    CHECK(age_of(std::nullopt, 1748779200) == "<unknown>");
    CHECK(age_of(1748779200 - 90, 1748779200) == "90s");
}
