// SPDX-License-Identifier: Apache-2.0
// Every byte of an archive is either content or told to the sink, and an entry's header can be written again.
#include <cstdlib>

#include "image/chunk.h"
#include "image/tar.h"
#include "image/tar_writer.h"

namespace {

struct Counter final : pila::image::RawSink {
    std::uint64_t count = 0;
    pila::Result<void> raw(std::string_view bytes) override {
        count += bytes.size();
        return {};
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace pila::image;
    MemoryChunks chunks({reinterpret_cast<const char*>(data), size});
    Counter sink;
    TarReader reader(chunks, &sink);
    std::uint64_t content = 0;
    for (;;) {
        TarEntry entry;
        auto more = reader.next(entry);
        if (!more) return 0;
        if (!*more) break;
        auto header = tar_header(entry);
        if (header && header->size() % 512 != 0) std::abort();
        if (entry.mode % 2 == 0) continue;  // skip the content now and then
        std::uint64_t got = 0;
        for (;;) {
            auto chunk = reader.content();
            if (!chunk) return 0;
            if (chunk->bytes.empty()) break;
            got += chunk->bytes.size();
        }
        if (got != entry.size) std::abort();
        content += got;
    }
    if (reader.drain() && sink.count + content != size) std::abort();
    return 0;
}
