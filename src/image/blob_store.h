// SPDX-License-Identifier: Apache-2.0
#pragma once
// Content by its digest: DATA_DIR/blobs/ALGORITHM/HEX, verified before it gets its name. Threads: any.

#include <memory>
#include <optional>
#include <string>

#include "http/message.h"
#include "image/digest.h"
#include "os/file.h"

namespace pila::image {

// What a blob must turn out to be.
struct BlobExpectation {
    Digest digest;  // empty: whatever it is
    std::optional<std::uint64_t> size;
};

// Writes below DATA_DIR/tmp; commit() verifies and renames. Dropped before that, it leaves nothing.
class BlobWriter {
public:
    BlobWriter(BlobWriter&& other) noexcept;
    BlobWriter& operator=(BlobWriter&& other) noexcept;
    ~BlobWriter();
    Result<void> write(std::string_view bytes);  // Invalid as soon as it is longer than expected
    // Invalid: not what was expected. Sync::Yes: on the disk when this returns.
    Result<Digest> commit(os::Sync sync = os::Sync::No);
    std::uint64_t size() const { return size_; }

private:
    friend class BlobStore;
    BlobWriter(std::string directory, std::string temporary, Fd file, BlobExpectation expected);
    std::string directory_, temporary_;
    Fd file_;
    BlobExpectation expected_;
    Hasher hasher_;
    std::uint64_t size_ = 0;
};

class BlobStore {
public:
    static Result<std::unique_ptr<BlobStore>> create(const std::string& data_directory);

    bool has(const Digest& digest) const;
    Result<std::uint64_t> size(const Digest& digest) const;
    Result<Fd> open(const Digest& digest) const;
    Result<std::string> read(const Digest& digest, std::size_t max_bytes) const;
    Result<BlobWriter> begin(BlobExpectation expected = {});
    Result<Digest> put(std::string_view bytes);
    Result<void> remove(const Digest& digest);  // a missing one is fine
    std::string path(const Digest& digest) const;

private:
    explicit BlobStore(std::string data_directory) : data_directory_(std::move(data_directory)) {}
    std::string data_directory_;
};

// A file as a body.
class FileReader final : public http::BodyReader {
public:
    explicit FileReader(Fd file) : file_(std::move(file)) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override;

private:
    Fd file_;
};

}  // namespace pila::image
