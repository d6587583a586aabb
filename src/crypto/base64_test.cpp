// SPDX-License-Identifier: Apache-2.0
#include "crypto/base64.h"

#include <doctest/doctest.h>

namespace pila::crypto {

TEST_CASE("RFC 4648 section 10") {
    const char* vectors[][2] = {{"", ""},
                                {"f", "Zg=="},
                                {"fo", "Zm8="},
                                {"foo", "Zm9v"},
                                {"foob", "Zm9vYg=="},
                                {"fooba", "Zm9vYmE="},
                                {"foobar", "Zm9vYmFy"}};
    for (auto& [plain, encoded] : vectors) {
        CHECK(base64_encode(plain) == encoded);
        CHECK(base64_decode(encoded) == std::string(plain));
    }
    CHECK(base64_decode("-_8") == base64_decode("+/8="));
    CHECK(base64_encode("\xfb\xff") == "+/8=");
    for (const char* bad : {"A", "AB=C", "AB===", "A B=", "AAAAA", "\n"}) CHECK_FALSE(base64_decode(bad));
}

}  // namespace pila::crypto
