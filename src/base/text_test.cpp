// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <doctest/doctest.h>

#include "base/time.h"

using namespace pila;

TEST_CASE("json_quote escapes controls and replaces broken UTF-8") {
    CHECK(json_quote("a\"b\\\n\x01") == "\"a\\\"b\\\\\\n\\u0001\"");
    CHECK(json_quote("\xc3\xa9") == "\"\xc3\xa9\"");
    CHECK(json_quote("\xc3(") == "\"\\ufffd(\"");
    CHECK(json_quote("\xed\xa0\x80") == "\"\\ufffd\\ufffd\\ufffd\"");  // a lone surrogate is not UTF-8
}

TEST_CASE("numbers are whole or nothing") {
    CHECK(parse_int("-12") == -12);
    CHECK_FALSE(parse_int("12 "));
    CHECK_FALSE(parse_int(""));
    CHECK_FALSE(parse_int("99999999999999999999"));
    CHECK(parse_uint("755", 8) == 0755);
}

TEST_CASE("times as Go writes them") {
    CHECK(rfc3339_nano({0}) == "0001-01-01T00:00:00Z");
    CHECK(rfc3339_nano({1'700'000'000'500'000'000}) == "2023-11-14T22:13:20.5Z");
    CHECK(parse_rfc3339("2023-11-14T22:13:20.5Z")->nanoseconds == 1'700'000'000'500'000'000);
    CHECK(parse_rfc3339("2023-11-14T23:13:20+01:00")->nanoseconds == 1'700'000'000'000'000'000);
    CHECK_FALSE(parse_rfc3339("2023-11-14"));
    CHECK_FALSE(parse_rfc3339("2023-11-14T23:13:20+01"));
}
