// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tar archives as a stream: POSIX ustar and pax, GNU long names and sparse files (old form and pax 0.0, 0.1, 1.0), star
// prefixes, base-256 numbers: what Go's archive/tar, and so Docker, reads. Every byte of the archive is either handed
// out as content or told to the raw sink, so that the exact archive can be put together again.

#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "image/chunk.h"

namespace pila::image {

enum class TarType : std::uint8_t {
    File,
    HardLink,
    SymbolicLink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Fifo,
    Other
};

struct SparseRegion {
    std::uint64_t offset = 0, size = 0;
};

struct TarEntry {
    std::string path, link;
    TarType type = TarType::Other;
    char type_flag = '0';
    std::uint32_t mode = 0;  // permission, set-id and sticky bits
    std::uint32_t uid = 0, gid = 0;
    std::uint64_t size = 0;  // of the content in the archive
    timespec modified{}, accessed{};
    std::uint32_t device_major = 0, device_minor = 0;
    std::map<std::string, std::string> xattrs;
    bool sparse = false;
    std::uint64_t real_size = 0;  // of a sparse file
    std::vector<SparseRegion> regions;
};

// Takes every byte that is not content: headers, padding, the end of the archive and what follows it.
class RawSink {
public:
    virtual ~RawSink() = default;
    virtual Result<void> raw(std::string_view bytes) = 0;
};

class TarReader {
public:
    explicit TarReader(ChunkReader& from, RawSink* sink = nullptr) : from_(from), sink_(sink) {}

    // false: the end. Content nobody asked for is told to the sink.
    Result<bool> next(TarEntry& entry);
    // The next piece of the entry's content, empty at its end.
    Result<Chunk> content();
    // The content is told to the sink as well (for who cannot give it back otherwise).
    void tell_content() { tell_content_ = true; }
    // What follows the end of the archive, up to a limit: some writers pad, none add much.
    Result<void> drain();

private:
    struct Extended;
    struct Header;

    Result<bool> fill();
    Result<std::string_view> block();  // 512 bytes, told to the sink; empty at the end of the stream
    Result<void> skip(std::uint64_t count);
    Result<std::string> meta_content(std::uint64_t size);
    Result<void> read_old_sparse(const Header& header, TarEntry& entry);
    Result<void> read_sparse_map(TarEntry& entry);
    Result<bool> read_header(Header& header);
    Result<void> tell(std::string_view bytes) { return sink_ ? sink_->raw(bytes) : Result<void>(); }

    ChunkReader& from_;
    RawSink* sink_;
    Chunk current_;
    char block_[512];
    std::uint64_t content_left_ = 0, padding_ = 0;
    bool tell_content_ = false, at_end_ = false;
    std::uint64_t entries_ = 0;
};

}  // namespace pila::image
