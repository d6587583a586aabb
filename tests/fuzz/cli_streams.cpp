// SPDX-License-Identifier: Apache-2.0
// Frames, JSON streams and tar archives as a daemon sends them, in pieces.
#include <algorithm>
#include <cstring>
#include <string>

#include "cli/demultiplexer.h"
#include "cli/json_stream.h"
#include "cli/tar.h"

namespace {

class Memory : public pila::http::BodyReader {
public:
    Memory(std::string_view bytes, std::size_t step) : bytes_(bytes), step_(step) {}
    pila::Result<std::size_t> read(char* buffer, std::size_t size) override {
        auto part = std::min({size, step_, bytes_.size()});
        std::memcpy(buffer, bytes_.data(), part);
        bytes_.remove_prefix(part);
        return part;
    }

private:
    std::string_view bytes_;
    std::size_t step_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    using namespace pila;
    using namespace pila::cli;
    if (size < 2) return 0;
    std::size_t step = data[1] % 64 + 1;
    std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    constexpr std::string_view why = "any outcome is fine";
    if (data[0] % 3 == 0) {
        Demultiplexer frames([](Demultiplexer::Stream, std::string_view) -> Result<void> { return {}; });
        for (; !bytes.empty(); bytes.remove_prefix(std::min(step, bytes.size())))
            if (!frames.feed(bytes.substr(0, step))) break;
    } else if (data[0] % 3 == 1) {
        JsonSplitter splitter([](std::string_view) -> Result<void> { return {}; });
        ignore(splitter.feed(bytes), why);
    } else {
        Memory memory(bytes, step * 64);
        TarReader reader(memory);
        TarEntry entry;
        while (reader.next(entry).value_or(false)) {
        }
    }
    return 0;
}
