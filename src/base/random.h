// SPDX-License-Identifier: Apache-2.0
#pragma once
// Randomness from getrandom(2). Threads: any.

#include <cstddef>
#include <cstdint>
#include <string>

namespace pila {

std::string random_bytes(std::size_t count);
std::string random_uuid();                   // RFC 9562 version 4
std::string random_hex(std::size_t digits);  // container ids: 64
std::uint64_t random_number(std::uint64_t below);

}  // namespace pila
