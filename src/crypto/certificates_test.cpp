// SPDX-License-Identifier: Apache-2.0
#include "crypto/certificates.h"

#include <doctest/doctest.h>

#include <ctime>

using namespace pila::crypto;

TEST_CASE("an authority certifies names and people") {
    auto authority = make_authority("test");
    REQUIRE(authority.ok());
    auto made = issue(*authority, {"admin, the first", {"system:masters", "two"}}, Usage::Client,
                      {"localhost", "127.0.0.1", "::1"}, std::chrono::hours(24));
    REQUIRE(made.ok());
    auto facts = read_certificate(made->certificate);
    REQUIRE(facts.ok());
    CHECK(facts->subject.common_name == "admin, the first");
    CHECK(facts->subject.organizations == std::vector<std::string>{"system:masters", "two"});
    CHECK(facts->names == std::vector<std::string>{"localhost", "127.0.0.1", "::1"});
    auto now = std::time(nullptr);
    CHECK(facts->not_before < now);
    CHECK(facts->not_after > now + 86000);
    CHECK(facts->not_after < now + 86500);
    CHECK(*is_issued_by(made->certificate, authority->certificate));
    auto other = make_authority("test");
    CHECK_FALSE(*is_issued_by(made->certificate, other->certificate));
    CHECK(made->key.starts_with("-----BEGIN PRIVATE KEY-----\n"));
}

TEST_CASE("what is no certificate") {
    CHECK_FALSE(read_certificate("").ok());
    CHECK_FALSE(read_certificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").ok());
    CHECK_FALSE(issue({"", ""}, {"x", {}}, Usage::Server, {}, std::chrono::hours(1)).ok());
}
