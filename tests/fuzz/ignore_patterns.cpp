// SPDX-License-Identifier: Apache-2.0
// A .dockerignore, and paths against it. The first line is the path.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/path_patterns.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila;
    std::string_view text(reinterpret_cast<const char*>(data), size);
    auto path = clean_path_text(text.substr(0, text.find('\n')));
    if (clean_path_text(path) != path) std::abort();
    auto patterns = IgnorePatterns::parse(text.substr(std::min(text.size(), path.size())));
    if (!patterns) return 0;
    bool ignored = patterns->ignores(path);
    // Without exceptions, what is below something ignored is ignored, too.
    if (ignored && !patterns->has_exceptions() && !patterns->ignores(path + "/below")) std::abort();
    return 0;
}
