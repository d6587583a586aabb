// SPDX-License-Identifier: Apache-2.0
#include "image/compression.h"

#include <archive.h>
#include <archive_entry.h>
#include <zlib.h>
#include <zstd.h>
#include <vector>

#include <fmt/core.h>

namespace pila::image {

Compression compression_of(std::string_view bytes) {
    using namespace std::string_view_literals;
    if (bytes.starts_with("\x1f\x8b"sv)) return Compression::Gzip;
    if (bytes.starts_with("BZh"sv)) return Compression::Bzip2;
    if (bytes.starts_with("\xfd\x37zXZ\0"sv)) return Compression::Xz;
    if (bytes.starts_with("\x28\xb5\x2f\xfd"sv)) return Compression::Zstd;
    // A skippable frame may come first in a zstd stream.
    if (bytes.size() >= 4 && (bytes[0] & 0xf0) == 0x50 && bytes.substr(1, 3) == "\x2a\x4d\x18"sv)
        return Compression::Zstd;
    return Compression::None;
}

struct DecompressedCallbacks {
    static la_ssize_t read(struct archive* archive, void* data, const void** buffer) {
        auto& self = *static_cast<Decompressed*>(data);
        if (self.first_) {
            self.current_ = std::move(*self.first_);
            self.first_.reset();
        } else {
            auto chunk = self.from_.next();
            if (!chunk) {
                self.read_error_ = chunk.take_error();
                archive_set_error(archive, EIO, "read");
                return ARCHIVE_FATAL;
            }
            self.current_ = chunk.take();
        }
        *buffer = self.current_.bytes.data();
        return static_cast<la_ssize_t>(self.current_.bytes.size());
    }
};

Decompressed::~Decompressed() {
    if (archive_) archive_read_free(archive_);
}

Result<void> Decompressed::begin() {
    begun_ = true;
    auto chunk = TRY(from_.next());
    compression_ = compression_of(chunk.bytes);
    first_ = std::move(chunk);
    if (compression_ == Compression::None) return {};
    archive_ = archive_read_new();
    if (!archive_) return Error(Errc::Exhausted, "decompress: out of memory");
    switch (compression_) {
        case Compression::Gzip: archive_read_support_filter_gzip(archive_); break;
        case Compression::Bzip2: archive_read_support_filter_bzip2(archive_); break;
        case Compression::Xz: archive_read_support_filter_xz(archive_); break;
        default: archive_read_support_filter_zstd(archive_); break;
    }
    archive_read_support_format_raw(archive_);
    archive_read_support_format_empty(archive_);
    archive_entry* entry = nullptr;
    if (archive_read_open(archive_, this, nullptr, &DecompressedCallbacks::read, nullptr) != ARCHIVE_OK ||
        archive_read_next_header(archive_, &entry) < ARCHIVE_WARN) {
        at_end_ = archive_errno(archive_) == 0;
        if (!at_end_) return Error(Errc::Invalid, fmt::format("decompress: {}", archive_error_string(archive_)));
    }
    return {};
}

Result<Chunk> Decompressed::next_block() {
    const void* bytes = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    for (;;) {
        int result = archive_read_data_block(archive_, &bytes, &size, &offset);
        if (result == ARCHIVE_EOF) {
            at_end_ = true;
            return Chunk{};
        }
        if (result < ARCHIVE_WARN) {
            if (read_error_) return *read_error_;
            const char* reason = archive_error_string(archive_);
            return Error(Errc::Invalid, fmt::format("decompress: {}", reason ? reason : "damaged data"));
        }
        if (size > 0) return Chunk{{static_cast<const char*>(bytes), size}, nullptr};
    }
}

Result<Chunk> Decompressed::next() {
    if (!begun_) {
        auto begun = begin();
        if (!begun) return read_error_ ? *read_error_ : begun.take_error();
    }
    if (at_end_) return Chunk{};
    if (archive_) return next_block();
    if (first_) {
        Chunk chunk = std::move(*first_);
        first_.reset();
        return chunk;
    }
    return from_.next();
}

namespace {

class ZstdCompressor final : public Compressor {
public:
    ZstdCompressor(ByteSink to, int level)
        : to_(std::move(to)), context_(ZSTD_createCStream()), out_(ZSTD_CStreamOutSize()) {
        ZSTD_CCtx_setParameter(context_, ZSTD_c_compressionLevel, level);
        ZSTD_CCtx_setParameter(context_, ZSTD_c_checksumFlag, 1);
    }
    ~ZstdCompressor() override { ZSTD_freeCStream(context_); }

    Result<void> write(std::string_view bytes) override { return run(bytes, ZSTD_e_continue); }
    Result<void> finish() override { return run({}, ZSTD_e_end); }

private:
    Result<void> run(std::string_view bytes, ZSTD_EndDirective how) {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        for (;;) {
            ZSTD_outBuffer out{out_.data(), out_.size(), 0};
            auto left = ZSTD_compressStream2(context_, &out, &in, how);
            if (ZSTD_isError(left)) return Error(Errc::Internal, fmt::format("compress: {}", ZSTD_getErrorName(left)));
            if (out.pos > 0) TRY(to_(std::string_view(out_.data(), out.pos)));
            bool done = how == ZSTD_e_end ? left == 0 : in.pos == in.size;
            if (done) return {};
        }
    }

    ByteSink to_;
    ZSTD_CStream* context_;
    std::vector<char> out_;
};

class GzipCompressor final : public Compressor {
public:
    GzipCompressor(ByteSink to, int level) : to_(std::move(to)), out_(chunk_bytes) {
        constexpr int with_gzip_header = 15 + 16;
        ready_ = deflateInit2(&stream_, level, Z_DEFLATED, with_gzip_header, 8, Z_DEFAULT_STRATEGY) == Z_OK;
    }
    ~GzipCompressor() override {
        if (ready_) deflateEnd(&stream_);
    }

    Result<void> write(std::string_view bytes) override {
        constexpr std::size_t most = 1U << 30;  // zlib counts in 32 bits
        for (; bytes.size() > most; bytes.remove_prefix(most)) TRY(run(bytes.substr(0, most), Z_NO_FLUSH));
        return run(bytes, Z_NO_FLUSH);
    }
    Result<void> finish() override { return run({}, Z_FINISH); }

private:
    Result<void> run(std::string_view bytes, int how) {
        if (!ready_) return Error(Errc::Exhausted, "compress: out of memory");
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        stream_.avail_in = static_cast<uInt>(bytes.size());
        int result = Z_OK;
        do {
            stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
            stream_.avail_out = static_cast<uInt>(out_.size());
            result = deflate(&stream_, how);
            auto made = out_.size() - stream_.avail_out;
            if (made > 0) TRY(to_(std::string_view(out_.data(), made)));
        } while (how == Z_FINISH ? result == Z_OK || result == Z_BUF_ERROR
                                 : stream_.avail_in > 0 || stream_.avail_out == 0);
        return {};
    }

    ByteSink to_;
    z_stream stream_{};
    std::vector<char> out_;
    bool ready_ = false;
};

}  // namespace

std::unique_ptr<Compressor> zstd_compressor(ByteSink to, int level) {
    return std::make_unique<ZstdCompressor>(std::move(to), level);
}

std::unique_ptr<Compressor> gzip_compressor(ByteSink to, int level) {
    return std::make_unique<GzipCompressor>(std::move(to), level);
}

}  // namespace pila::image
