// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parts of content: the Range of a download (RFC 9110 section 14.2), the Content-Range of an upload's piece.

#include <cstdint>
#include <optional>
#include <string_view>

namespace pila::registry {

struct Part {
    std::uint64_t start = 0, count = 0;
};

enum class RangeVerdict : std::uint8_t { Whole, Part, Unsatisfiable };
struct RangeAnswer {
    RangeVerdict verdict = RangeVerdict::Whole;
    Part part;
};
// What to send of content of `size` bytes. Malformed ones and several ranges at once mean all of it, as the RFC allows.
RangeAnswer read_range(std::string_view header, std::uint64_t size);

// "START-END", both counted, as the specification has it; "bytes START-END/SIZE" is RFC 9110's form of the same.
std::optional<Part> read_content_range(std::string_view header);

}  // namespace pila::registry
