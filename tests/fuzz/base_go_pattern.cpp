// SPDX-License-Identifier: Apache-2.0
// A pattern and a text, with a NUL between them: no pattern is too much to read, and matching always ends.
#include <cstdint>
#include <string_view>

#include "base/go_pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto end = text.find('\0');
    auto compiled = pila::GoPattern::compile(text.substr(0, end));
    if (compiled && end != text.npos) (void)compiled->matches(text.substr(end + 1));
    return 0;
}
