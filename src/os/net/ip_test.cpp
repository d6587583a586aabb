// SPDX-License-Identifier: Apache-2.0
#include "os/net/ip.h"

#include <doctest/doctest.h>

using namespace pila::os::net;

TEST_CASE("addresses: read, written, counted") {
    for (const auto* text : {"0.0.0.0", "172.17.0.2", "255.255.255.255", "::", "::1", "fd00::1:2", "2001:db8::ffff"}) {
        CAPTURE(text);
        auto address = IpAddress::parse(text);
        REQUIRE(address);
        CHECK(address->text() == text);
        CHECK(IpAddress::from_number(address->family(), address->number()) == *address);
    }
    for (const auto* text : {"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.256", " 1.2.3.4", "fe80::1%eth0", "::g",
                             "1.2.3.4/8", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa"})
        CHECK_FALSE(IpAddress::parse(text));
    CHECK_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0", 8)));
    CHECK(IpAddress::parse("127.3.2.1")->is_loopback());
    CHECK(IpAddress::parse("::1")->is_loopback());
    CHECK_FALSE(IpAddress::parse("::2")->is_loopback());
}

TEST_CASE("prefixes") {
    auto prefix = Prefix::parse("172.18.5.9/16");
    REQUIRE(prefix);
    CHECK(prefix->text() == "172.18.5.9/16");
    CHECK(prefix->masked().text() == "172.18.0.0/16");
    CHECK(prefix->last().text() == "172.18.255.255");
    CHECK(prefix->contains(*IpAddress::parse("172.18.255.1")));
    CHECK_FALSE(prefix->contains(*IpAddress::parse("172.19.0.1")));
    CHECK_FALSE(prefix->contains(*IpAddress::parse("::1")));
    CHECK(Prefix::parse("10.0.0.0/8")->overlaps(*Prefix::parse("10.9.0.0/16")));
    CHECK(Prefix::parse("10.9.0.0/16")->overlaps(*Prefix::parse("10.0.0.0/8")));
    CHECK_FALSE(Prefix::parse("10.9.0.0/16")->overlaps(*Prefix::parse("10.10.0.0/16")));
    CHECK(Prefix::parse("0.0.0.0/0")->contains(*IpAddress::parse("255.255.255.255")));
    CHECK(Prefix::parse("::/0")->last().text() == "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    CHECK(Prefix::parse("fd00::/64")->last().text() == "fd00::ffff:ffff:ffff:ffff");
    for (const auto* text :
         {"", "/", "1.2.3.4", "1.2.3.4/", "1.2.3.4/33", "::/129", "1.2.3.4/-1", "1.2.3.4/0x1", "1.2.3.4/0016"})
        CHECK_FALSE(Prefix::parse(text));
}

TEST_CASE("hardware addresses") {
    CHECK(mac_text(*parse_mac("02:42:AC:11:00:02")) == "02:42:ac:11:00:02");
    CHECK(parse_mac("02-42-ac-11-00-02"));
    for (const auto* text :
         {"", "02:42", "02:42:ac:11:00:0g", "2:42:ac:11:00:02", "02:42:ac:11:00:02:03", "02:42:ac:11:00:+1"})
        CHECK_FALSE(parse_mac(text));
}
