// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes on their way between the stages of a load: pieces that can change threads without being copied.

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/mutex.h"
#include "http/message.h"
#include "image/digest.h"

namespace pila::image {

inline constexpr std::size_t chunk_bytes = 256U << 10;

struct Chunk {
    std::string_view bytes;             // empty: the end
    std::shared_ptr<const void> owner;  // keeps `bytes`; null: they are valid until the next call only

    Chunk part(std::size_t from, std::size_t count = std::string_view::npos) const {
        return {bytes.substr(from, count), owner};
    }
    // As it is if it owns its bytes, else a copy.
    Chunk owned() const;
};

class ChunkReader {
public:
    virtual ~ChunkReader() = default;
    virtual Result<Chunk> next() = 0;
};

// The adapters hold references: what they read from must outlive them.

class BodyChunks final : public ChunkReader {
public:
    explicit BodyChunks(http::BodyReader& body) : body_(body) {}
    Result<Chunk> next() override;

private:
    http::BodyReader& body_;
};

class FileChunks final : public ChunkReader {
public:
    explicit FileChunks(FdView file) : file_(file) {}
    Result<Chunk> next() override;

private:
    FdView file_;
};

class MemoryChunks final : public ChunkReader {
public:
    explicit MemoryChunks(std::string_view bytes) : bytes_(bytes) {}
    Result<Chunk> next() override { return Chunk{std::exchange(bytes_, {}), nullptr}; }

private:
    std::string_view bytes_;
};

// Passes on what it reads and hashes it; finish() after the end.
class HashingChunks final : public ChunkReader {
public:
    explicit HashingChunks(ChunkReader& from) : from_(from) {}
    Result<Chunk> next() override;
    Digest finish() { return hasher_.finish(); }
    std::uint64_t count() const { return count_; }

private:
    ChunkReader& from_;
    Hasher hasher_;
    std::uint64_t count_ = 0;
};

// A bounded queue between two threads. Either side may give up; the other then gets that error.
class ChunkQueue final : public ChunkReader {
public:
    Result<void> push(Chunk chunk);              // waits for room; an error once the reader has given up
    void finish(std::optional<Error> why = {});  // no more will come
    void abandon(Error why);                     // reader's side: nothing more is wanted
    Result<Chunk> next() override;

private:
    static constexpr std::size_t max_waiting = 16;
    Mutex mutex_;
    Condition changed_;
    std::deque<Chunk> waiting_ GUARDED_BY(mutex_);
    bool finished_ GUARDED_BY(mutex_) = false;
    std::optional<Error> writer_error_ GUARDED_BY(mutex_), reader_error_ GUARDED_BY(mutex_);
};

}  // namespace pila::image
