// SPDX-License-Identifier: Apache-2.0
#include "crypto/signature.h"

#include <doctest/doctest.h>

#include "crypto/base64.h"
#include "crypto/certificates.h"

using namespace pila::crypto;

TEST_CASE("what one key signs, its public half and nobody else's verifies") {
    auto key = SigningKey::make();
    REQUIRE(key.ok());
    auto signature = key->sign("message");
    REQUIRE(signature.ok());
    CHECK(signature->size() == 256);
    auto text = key->public_pem();
    REQUIRE(text.ok());
    auto half = SigningKey::read(*text);
    REQUIRE(half.ok());
    CHECK_FALSE(half->is_private());
    CHECK(half->id() == key->id());
    CHECK(half->verifies("message", *signature));
    CHECK_FALSE(half->verifies("massage", *signature));
    CHECK_FALSE(half->verifies("message", ""));
    auto bent = *signature;
    bent[100] ^= 1;
    CHECK_FALSE(half->verifies("message", bent));
    CHECK_FALSE(half->sign("message").ok());
    auto other = SigningKey::make();
    REQUIRE(other.ok());
    CHECK_FALSE(other->verifies("message", *signature));
    CHECK(other->id() != key->id());
    auto again = SigningKey::read(*key->private_pem());
    REQUIRE(again.ok());
    CHECK(again->is_private());
    CHECK(again->id() == key->id());
    auto numbers = key->numbers();
    REQUIRE(numbers.ok());
    CHECK(numbers->modulus.size() == 256);
    CHECK(numbers->exponent == std::string("\1\0\1", 3));
}

TEST_CASE("what is no signing key") {
    CHECK_FALSE(SigningKey::read("").ok());
    CHECK_FALSE(SigningKey::read("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n").ok());
    auto elliptic = make_authority("P-256 is another form");
    REQUIRE(elliptic.ok());
    CHECK_FALSE(SigningKey::read(elliptic->key).ok());
}

TEST_CASE("digests and base64url") {
    CHECK(base64_url_encode(sha256("abc")) == "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    CHECK(base64_url_encode("a") == "YQ");
    CHECK(base64_decode(base64_url_encode("\xff\xfe")) == "\xff\xfe");
}
