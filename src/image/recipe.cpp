// SPDX-License-Identifier: Apache-2.0
#include "image/recipe.h"

#include <fcntl.h>
#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "os/file.h"

namespace pila::image {

namespace {

enum class Record : char { Raw = 0, File = 1, End = 2 };
constexpr std::size_t flush_bytes = 64U << 10;
constexpr std::uint64_t max_path = 8192;

void append_number(std::string& out, std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
    out += static_cast<char>(value);
}

// Pulls records out of the decompressed stream.
class RecordReader {
public:
    explicit RecordReader(ChunkReader& from) : from_(from) {}

    Result<char> byte() {
        while (current_.bytes.empty()) {
            current_ = TRY(from_.next());
            if (current_.bytes.empty()) return Error(Errc::Internal, "recipe of a layer: cut short");
        }
        char value = current_.bytes[0];
        current_.bytes.remove_prefix(1);
        return value;
    }
    Result<std::uint64_t> number() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 63; shift += 7) {
            char part = TRY(byte());
            value |= static_cast<std::uint64_t>(part & 0x7f) << shift;
            if ((part & 0x80) == 0) return value;
        }
        return Error(Errc::Internal, "recipe of a layer: damaged");
    }
    Result<std::size_t> read(char* to, std::size_t size) {
        to[0] = TRY(byte());
        auto more = std::min(size - 1, current_.bytes.size());
        std::memcpy(to + 1, current_.bytes.data(), more);
        current_.bytes.remove_prefix(more);
        return more + 1;
    }

private:
    ChunkReader& from_;
    Chunk current_;
};

class RecipeReader final : public http::BodyReader {
public:
    RecipeReader(Fd recipe, Fd tree, Fd kept)
        : recipe_(std::move(recipe)), tree_(std::move(tree)), kept_(std::move(kept)) {}

    Result<std::size_t> read(char* buffer, std::size_t size) override {
        if (size == 0) return std::size_t{0};
        while (left_ == 0 && !at_end_) TRY(next_record());
        if (at_end_) return std::size_t{0};
        auto most = static_cast<std::size_t>(std::min<std::uint64_t>(size, left_));
        std::size_t got = 0;
        if (content_) {
            got = TRY(os::read_some(content_, buffer, most).in(path_));
            if (got == 0) return Error(Errc::Internal, fmt::format("layer file {} was cut short on disk", path_));
        } else {
            got = TRY(records_.read(buffer, most));
        }
        left_ -= got;
        return got;
    }

private:
    Result<void> next_record() {
        content_.reset();
        auto kind = static_cast<Record>(TRY(records_.byte()));
        if (kind == Record::End) {
            at_end_ = true;
            return {};
        }
        left_ = TRY(records_.number());
        if (kind == Record::Raw) return {};
        auto length = TRY(records_.number());
        if (kind != Record::File || length > max_path) return Error(Errc::Internal, "recipe of a layer: damaged");
        path_.clear();
        while (path_.size() < length) path_ += TRY(records_.byte());
        auto ordinal = files_++;
        if (kept_) {
            auto kept = os::open_at(kept_, std::to_string(ordinal), O_RDONLY | O_NOFOLLOW);
            if (kept) {
                content_ = kept.take();
                return {};
            }
        }
        content_ = TRY(os::open_in_root(tree_, path_, O_RDONLY | O_NOFOLLOW | O_NONBLOCK));
        return {};
    }

    Fd recipe_, tree_, kept_;
    FileChunks compressed_{recipe_};
    Decompressed plain_{compressed_};
    RecordReader records_{plain_};
    Fd content_;
    std::string path_;
    std::uint64_t left_ = 0, files_ = 0;
    bool at_end_ = false;
};

}  // namespace

RecipeWriter::RecipeWriter(Fd file)
    : file_(std::move(file)),
      compressor_(zstd_compressor([this](std::string_view bytes) { return os::write_all(file_, bytes); })) {}

Result<std::unique_ptr<RecipeWriter>> RecipeWriter::create(const std::string& path) {
    auto file = TRY(os::open(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
    return std::unique_ptr<RecipeWriter>(new RecipeWriter(std::move(file)));
}

Result<void> RecipeWriter::raw(std::string_view bytes) {
    pending_ += bytes;
    return pending_.size() < flush_bytes ? Result<void>() : flush();
}

Result<void> RecipeWriter::flush() {
    if (pending_.empty()) return {};
    std::string head(1, static_cast<char>(Record::Raw));
    append_number(head, pending_.size());
    TRY(compressor_->write(head));
    TRY(compressor_->write(pending_));
    pending_.clear();
    return {};
}

Result<std::uint64_t> RecipeWriter::file(std::string_view path, std::uint64_t size) {
    TRY(flush());
    std::string head(1, static_cast<char>(Record::File));
    append_number(head, size);
    append_number(head, path.size());
    head += path;
    TRY(compressor_->write(head));
    return files_++;
}

Result<void> RecipeWriter::finish() {
    TRY(flush());
    TRY(compressor_->write(std::string_view("\2", 1)));
    TRY(compressor_->finish());
    return std::move(file_).close();
}

Result<std::unique_ptr<http::BodyReader>> open_recipe(const std::string& recipe, const std::string& tree,
                                                      const std::string& kept) {
    auto file = TRY(os::open(recipe, O_RDONLY));
    auto root = TRY(os::open(tree, O_PATH | O_DIRECTORY));
    auto kept_directory = os::open(kept, O_PATH | O_DIRECTORY);
    Fd kept_fd;
    if (kept_directory) kept_fd = kept_directory.take();
    return std::unique_ptr<http::BodyReader>(
        std::make_unique<RecipeReader>(std::move(file), std::move(root), std::move(kept_fd)));
}

}  // namespace pila::image
