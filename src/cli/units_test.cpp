// SPDX-License-Identifier: Apache-2.0
#include "cli/units.h"

#include <doctest/doctest.h>

using namespace pila;
using namespace pila::cli;

TEST_CASE("sizes are written with four significant digits") {
    CHECK(decimal_size(0) == "0B");
    CHECK(decimal_size(999) == "999B");
    CHECK(decimal_size(1000) == "1kB");
    CHECK(decimal_size(1982345) == "1.982MB");
    CHECK(decimal_size(1982345, 3) == "1.98MB");
    CHECK(decimal_size(123456789012) == "123.5GB");
    CHECK(binary_size(376832) == "368KiB");
    CHECK(binary_size(25276379136.0) == "23.54GiB");
}

TEST_CASE("sizes are read in units of 1024") {
    CHECK(parse_ram_size("64m").value() == 64 << 20);
    CHECK(parse_ram_size("1.5gib").value() == 1610612736);
    CHECK(parse_ram_size("1 gb").value() == 1 << 30);
    CHECK(parse_ram_size("10").value() == 10);
    CHECK(parse_ram_size("7b").value() == 7);
    CHECK(parse_ram_size("12xyz").error().message() == "invalid suffix: 'xyz'");
    CHECK(parse_ram_size("bad").error().message() == "invalid size: 'bad'");
    CHECK(parse_ram_size("-1").error().message() == "invalid size: '-1'");
    CHECK_FALSE(parse_ram_size(""));
    CHECK_FALSE(parse_ram_size("99999999999p"));
}

TEST_CASE("ages in words") {
    constexpr std::int64_t second = 1'000'000'000, hour = 3600 * second;
    CHECK(human_duration(0) == "Less than a second");
    CHECK(human_duration(second) == "1 second");
    CHECK(human_duration(59 * second) == "59 seconds");
    CHECK(human_duration(60 * second) == "About a minute");
    CHECK(human_duration(120 * second) == "2 minutes");
    CHECK(human_duration(hour) == "About an hour");
    CHECK(human_duration(47 * hour) == "47 hours");
    CHECK(human_duration(48 * hour) == "2 days");
    CHECK(human_duration(15 * 24 * hour) == "2 weeks");
    CHECK(human_duration(61 * 24 * hour) == "2 months");
    CHECK(human_duration(800 * 24 * hour) == "2 years");
}

TEST_CASE("durations in Go's syntax") {
    CHECK(parse_go_duration("1h30m").value() == 5'400'000'000'000);
    CHECK(parse_go_duration("100ms").value() == 100'000'000);
    CHECK(parse_go_duration("-1.5s").value() == -1'500'000'000);
    CHECK(parse_go_duration("0").value() == 0);
    CHECK(parse_go_duration("1x").error().message() == "time: unknown unit \"x\" in duration \"1x\"");
    CHECK(parse_go_duration("5").error().message() == "time: missing unit in duration \"5\"");
    CHECK_FALSE(parse_go_duration(""));
    CHECK_FALSE(parse_go_duration("."));
    CHECK_FALSE(parse_go_duration("999999999h"));
}

TEST_CASE("--since takes ages, Unix times and dates") {
    WallTime now{1'700'000'000'000'000'000};
    CHECK(parse_since("10m", now).value() == "1699999400");
    CHECK(parse_since("1136073600.000000001", now).value() == "1136073600.000000001");
    CHECK(parse_since("2020-01-02T00:00:00Z", now).value() == "1577923200.000000000");
    CHECK(parse_since("0", now).value() == "0");
    CHECK_FALSE(parse_since("yesterday", now));
    CHECK_FALSE(parse_since("", now));
}

TEST_CASE("texts are cut by characters, not bytes") {
    CHECK(ellipsis("abcdef", 4) == "abc\xe2\x80\xa6");
    CHECK(ellipsis("abcd", 4) == "abcd");
    CHECK(ellipsis("\xc3\xa9\xc3\xa9\xc3\xa9", 2) == "\xc3\xa9\xe2\x80\xa6");
    CHECK(short_id("sha256:0123456789abcdef") == "0123456789ab");
}
