// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/compress.h"

#include <zlib.h>

#include "base/text.h"
#include "cluster/api/negotiate.h"

namespace pila::cluster::api {

namespace {

constexpr int gzip_window = 15 + 16;  // zlib.h: 16 more for gzip's header and trailer
constexpr int memory_level = 8;

class Gzip final : public http::BodyWriter {
public:
    explicit Gzip(http::BodyWriter& to) : to_(to) {
        is_open_ =
            deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, gzip_window, memory_level, Z_DEFAULT_STRATEGY) == Z_OK;
    }
    ~Gzip() override {
        if (is_open_) deflateEnd(&stream_);
    }
    Result<void> write(std::string_view bytes) override { return run(bytes, Z_NO_FLUSH); }
    Result<void> finish() { return run("", Z_FINISH); }

private:
    Result<void> run(std::string_view bytes, int flush) {
        if (!is_open_) return Error(Errc::Exhausted, "compress an answer: no memory");
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
        stream_.avail_in = static_cast<uInt>(bytes.size());
        for (;;) {
            stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
            stream_.avail_out = static_cast<uInt>(out_.size());
            deflate(&stream_, flush);
            const auto made = out_.size() - stream_.avail_out;
            if (made > 0) TRY(to_.write(std::string_view(out_.data(), made)));
            if (stream_.avail_out > 0) return {};
        }
    }

    http::BodyWriter& to_;
    z_stream stream_{};
    bool is_open_ = false;
    std::string out_ = std::string(32U << 10, '\0');
};

class ToString final : public http::BodyWriter {
public:
    Result<void> write(std::string_view bytes) override {
        text += bytes;
        return {};
    }
    std::string text;
};

}  // namespace

bool takes_gzip(const http::Request& request) {
    for (auto part : split(request.headers.get("Accept-Encoding"), ',')) {
        const auto coding = read_media_type(part);
        const auto quality = coding.parameter("q");
        if (coding.type == "gzip") return quality.empty() || quality.find_first_of("123456789") != quality.npos;
    }
    return false;
}

void compress(http::Response& response) {
    if (response.produce) {
        response.produce = [produce = std::move(response.produce)](http::BodyWriter& writer) -> Result<void> {
            Gzip gzip(writer);
            TRY(produce(gzip));
            return gzip.finish();
        };
    } else {
        ToString whole;
        Gzip gzip(whole);
        if (!gzip.write(response.body) || !gzip.finish()) return;
        response.body = std::move(whole.text);
    }
    response.headers.set("Content-Encoding", "gzip");
    response.headers.add("Vary", "Accept-Encoding");
}

}  // namespace pila::cluster::api
