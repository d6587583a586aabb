// SPDX-License-Identifier: Apache-2.0
// Log files that a crash or an editor damaged: never a crash, never bytes beyond the input's.
#include <cstdint>

#include "engine/engine.h"
#include "engine/log_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    pila::engine::LogOptions options;
    options.timestamps = size % 2 == 1;
    pila::engine::LogFormatter formatter(
        options, size % 3 == 0, size % 5 == 0 ? pila::engine::LogFormat::Local : pila::engine::LogFormat::Json);
    std::string out;
    formatter.feed(text.substr(0, size / 2), out);
    formatter.feed(text.substr(size / 2), out);
    return 0;
}
