// SPDX-License-Identifier: Apache-2.0
#pragma once
// Compressed streams. Reading goes through libarchive's filters (gzip, bzip2, xz, zstd, found by their magic), writing
// is zstd for what rests on our disk and gzip for what registries expect.

#include <memory>

#include "image/chunk.h"

struct archive;

namespace pila::image {

enum class Compression : std::uint8_t { None, Gzip, Bzip2, Xz, Zstd };

// By the first bytes of a stream (six are enough).
Compression compression_of(std::string_view first_bytes);

// What `from` holds once decompressed; passes it on as it is when it is not compressed.
class Decompressed final : public ChunkReader {
public:
    explicit Decompressed(ChunkReader& from) : from_(from) {}
    ~Decompressed() override;
    Result<Chunk> next() override;
    Compression compression() const { return compression_; }  // known after the first next()

private:
    friend struct DecompressedCallbacks;
    Result<void> begin();
    Result<Chunk> next_block();
    ChunkReader& from_;
    std::optional<Chunk> first_;  // read ahead to see its magic
    Chunk current_;               // what libarchive is working on
    std::optional<Error> read_error_;
    struct archive* archive_ = nullptr;
    Compression compression_ = Compression::None;
    bool begun_ = false, at_end_ = false;
};

// Compresses what is written to it and hands it to `to`.
class Compressor {
public:
    virtual ~Compressor() = default;
    virtual Result<void> write(std::string_view bytes) = 0;
    virtual Result<void> finish() = 0;
};
using ByteSink = std::function<Result<void>(std::string_view)>;
std::unique_ptr<Compressor> zstd_compressor(ByteSink to, int level = 1);
std::unique_ptr<Compressor> gzip_compressor(ByteSink to, int level = 6);

}  // namespace pila::image
