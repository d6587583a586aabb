// SPDX-License-Identifier: Apache-2.0
#pragma once
// RFC 2104 with SHA-256. Threads: any.

#include <string>
#include <string_view>

namespace pila::crypto {

std::string hmac_sha256(std::string_view key, std::string_view message);  // 32 bytes
bool equal_secrets(std::string_view a, std::string_view b);               // in a time that tells only their lengths

}  // namespace pila::crypto
