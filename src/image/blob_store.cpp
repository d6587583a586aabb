// SPDX-License-Identifier: Apache-2.0
#include "image/blob_store.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>

#include <fmt/core.h>

#include "base/random.h"

namespace pila::image {

BlobWriter::BlobWriter(std::string directory, std::string temporary, Fd file, BlobExpectation expected)
    : directory_(std::move(directory)),
      temporary_(std::move(temporary)),
      file_(std::move(file)),
      expected_(std::move(expected)),
      hasher_(expected_.digest.empty() ? std::string_view("sha256") : expected_.digest.algorithm()) {}

BlobWriter::BlobWriter(BlobWriter&& other) noexcept
    : directory_(std::move(other.directory_)),
      temporary_(std::exchange(other.temporary_, {})),
      file_(std::move(other.file_)),
      expected_(std::move(other.expected_)),
      hasher_(std::move(other.hasher_)),
      size_(other.size_) {}

BlobWriter& BlobWriter::operator=(BlobWriter&& other) noexcept {
    std::swap(directory_, other.directory_);
    std::swap(temporary_, other.temporary_);
    std::swap(file_, other.file_);
    std::swap(expected_, other.expected_);
    std::swap(hasher_, other.hasher_);
    std::swap(size_, other.size_);
    return *this;
}

BlobWriter::~BlobWriter() {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Result<void> BlobWriter::write(std::string_view bytes) {
    size_ += bytes.size();
    if (expected_.size && size_ > *expected_.size)
        return Error(Errc::Invalid, fmt::format("blob {}: more than the {} bytes it should have",
                                                expected_.digest.text(), *expected_.size));
    hasher_.update(bytes);
    return os::write_all(file_, bytes);
}

Result<Digest> BlobWriter::commit(os::Sync sync) {
    if (expected_.size && size_ != *expected_.size)
        return Error(Errc::Invalid,
                     fmt::format("blob {}: {} bytes instead of {}", expected_.digest.text(), size_, *expected_.size));
    auto digest = hasher_.finish();
    if (!expected_.digest.empty() && digest != expected_.digest)
        return Error(Errc::Invalid, fmt::format("blob {}: its content is {}", expected_.digest.text(), digest.text()));
    if (sync == os::Sync::Yes && ::fsync(file_.get()) < 0) return Error::from_errno(errno, "fsync " + temporary_);
    TRY(std::move(file_).close());
    auto place = fmt::format("{}/{}", directory_, digest.algorithm());
    TRY(os::make_directories(place, 0700));
    TRY(os::rename(temporary_, fmt::format("{}/{}", place, digest.hex())));
    temporary_.clear();
    if (sync == os::Sync::Yes) {
        auto directory = TRY(os::open(place, O_RDONLY | O_DIRECTORY));
        if (::fsync(directory.get()) < 0) return Error::from_errno(errno, "fsync " + place);
    }
    return digest;
}

Result<std::unique_ptr<BlobStore>> BlobStore::create(const std::string& data_directory) {
    TRY(os::make_directories(data_directory + "/blobs/sha256", 0700));
    TRY(os::make_directories(data_directory + "/tmp", 0700));
    return std::unique_ptr<BlobStore>(new BlobStore(data_directory));
}

std::string BlobStore::path(const Digest& digest) const {
    return fmt::format("{}/blobs/{}/{}", data_directory_, digest.algorithm(), digest.hex());
}

bool BlobStore::has(const Digest& digest) const { return os::exists(path(digest)); }

Result<Fd> BlobStore::open(const Digest& digest) const { return os::open(path(digest), O_RDONLY); }

Result<std::uint64_t> BlobStore::size(const Digest& digest) const {
    auto file = TRY(open(digest));
    auto info = TRY(os::stat_of(file));
    return static_cast<std::uint64_t>(info.st_size);
}

Result<std::string> BlobStore::read(const Digest& digest, std::size_t max_bytes) const {
    return os::read_file(path(digest), max_bytes);
}

Result<BlobWriter> BlobStore::begin(BlobExpectation expected) {
    auto temporary = fmt::format("{}/tmp/blob-{}", data_directory_, random_hex(16));
    auto file = TRY(os::open(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600));
    return BlobWriter(data_directory_ + "/blobs", std::move(temporary), std::move(file), std::move(expected));
}

Result<Digest> BlobStore::put(std::string_view bytes) {
    auto writer = TRY(begin());
    TRY(writer.write(bytes));
    return writer.commit();
}

Result<void> BlobStore::remove(const Digest& digest) {
    auto removed = os::remove_file(path(digest));
    if (!removed && removed.error().code() != Errc::NotFound) return removed;
    return {};
}

Result<std::size_t> FileReader::read(char* buffer, std::size_t size) { return os::read_some(file_, buffer, size); }

}  // namespace pila::image
