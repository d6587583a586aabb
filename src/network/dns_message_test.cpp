// SPDX-License-Identifier: Apache-2.0
#include "network/dns_message.h"

#include <doctest/doctest.h>

using namespace pila::network::dns;
using pila::os::net::IpAddress;

static std::string header(std::uint16_t flags = 0x0100, char questions = 1, char answers = 0, char additional = 0) {
    return {
        0x12, 0x34,      static_cast<char>(flags >> 8), static_cast<char>(flags & 255), 0, questions, 0, answers, 0, 0,
        0,    additional};
}
static const std::string web = std::string("\3web\0\0\1\0\1", 9);
static const std::string opt = std::string("\0\0\x29\x10\0\0\0\0\0\0\0", 11);  // 4096 bytes

TEST_CASE("queries") {
    auto query = parse_query(header() + web);
    REQUIRE(query);
    CHECK(query->id == 0x1234);
    CHECK(query->name == "web");
    CHECK(query->type == type_a);
    CHECK(query->recursion_desired);
    CHECK(query->udp_size == 512);
    auto with_edns = parse_query(header(0x0100, 1, 0, 1) + web + opt);
    REQUIRE(with_edns);
    CHECK(with_edns->udp_size == 4096);
    CHECK(parse_query(header() + std::string("\1A\1b\0\0\1\0\1", 9))->name == "A.b");
    CHECK(parse_query(header() + std::string("\0\0\2\0\1", 5))->name.empty());  // the root
}

TEST_CASE("what is no query is dropped") {
    auto good = header() + web;
    for (std::size_t size = 0; size < good.size(); ++size) CHECK_FALSE(parse_query(good.substr(0, size)));
    CHECK_FALSE(parse_query(good + "x"));
    CHECK_FALSE(parse_query(header(0x8100) + web));  // an answer
    CHECK_FALSE(parse_query(header(0x2800) + web));  // another operation
    CHECK_FALSE(parse_query(header(0x0100, 0)));
    CHECK_FALSE(parse_query(header(0x0100, 2) + web + web));
    CHECK_FALSE(parse_query(header(0x0100, 1, 1) + web));
    CHECK_FALSE(parse_query(header(0x0100, 1, 0, 1) + web));
    CHECK_FALSE(parse_query(header() + std::string("\xc0\x0c\0\1\0\1", 6)));  // a name that points at itself
    CHECK_FALSE(parse_query(header() + std::string("\3a.b\0\0\1\0\1", 9)));   // a dot inside a label
    std::string long_name;
    for (int i = 0; i < 4; ++i) long_name += std::string(1, 63) + std::string(63, 'x');
    CHECK_FALSE(parse_query(header() + long_name + std::string("\0\0\1\0\1", 5)));
    CHECK_FALSE(parse_query(header() + std::string(1, 64) + std::string(64, 'x') + std::string("\0\0\1\0\1", 5)));
}

TEST_CASE("answers") {
    auto query = *parse_query(header(0x0100, 1, 0, 1) + web + opt);
    auto answer =
        make_answer(query, {Code::Ok, {*IpAddress::parse("10.0.0.1"), *IpAddress::parse("fd00::1")}, ""}, 4096);
    CHECK(answer.substr(0, 2) == "\x12\x34");
    CHECK(static_cast<std::uint8_t>(answer[2]) == 0x85);  // response, authoritative, recursion desired
    CHECK(answer[7] == 2);
    CHECK(answer.find(std::string("\xc0\x0c\0\1\0\1\0\0\0\x0a\0\4\x0a\0\0\1", 16)) != std::string::npos);
    CHECK_FALSE(is_truncated(answer));
    Answers many;
    for (unsigned i = 0; i < 100; ++i) many.addresses.push_back(IpAddress::from_number(pila::os::net::Family::V4, i));
    auto cut = make_answer(query, many, 512);
    CHECK(is_truncated(cut));
    CHECK(cut.size() <= 512);
    CHECK((make_answer(query, {Code::NoSuchName, {}, ""}, 512)[3] & 15) == 3);
    CHECK(make_answer(query, {Code::Ok, {}, "web.front"}, 512).find("\3web\5front") != std::string::npos);
}

TEST_CASE("forwarded answers are matched by id and question") {
    auto query = *parse_query(header() + web);
    auto answer = header(0x8180) + std::string("\3WEB\0\0\1\0\1", 9);
    CHECK(answers_query(answer, 0x1234, query));
    CHECK_FALSE(answers_query(answer, 0x1235, query));
    CHECK_FALSE(answers_query(header(0x0180) + web, 0x1234, query));
    CHECK_FALSE(answers_query(header(0x8180) + std::string("\3wex\0\0\1\0\1", 9), 0x1234, query));
    CHECK_FALSE(answers_query(header(0x8180) + std::string("\3web\0\0\x1c\0\1", 9), 0x1234, query));
    CHECK_FALSE(answers_query(answer.substr(0, 20), 0x1234, query));
}

TEST_CASE("reverse names") {
    CHECK(reverse_address("2.0.17.172.in-addr.arpa")->text() == "172.17.0.2");
    CHECK(reverse_address("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.F.ip6.arpa")->text() ==
          "fd00::1");
    for (const auto* bad : {"", "in-addr.arpa", ".in-addr.arpa", "2.0.17.in-addr.arpa", "2.0.17.256.in-addr.arpa",
                            "a.0.17.1.in-addr.arpa", "1.0.0.ip6.arpa",
                            "10.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa"})
        CHECK_FALSE(reverse_address(bad));
}
