// SPDX-License-Identifier: Apache-2.0
#pragma once
// RFC 4648. Threads: any.

#include <optional>
#include <string>
#include <string_view>

namespace pila::crypto {

std::string base64_encode(std::string_view bytes);      // standard alphabet, padded
std::string base64_url_encode(std::string_view bytes);  // RFC 4648 section 5, without padding
// Either alphabet (section 4 or 5), padded or not; nullopt if anything else is in it.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace pila::crypto
