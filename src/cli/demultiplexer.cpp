// SPDX-License-Identifier: Apache-2.0
#include "cli/demultiplexer.h"

#include <fmt/core.h>
#include <algorithm>

namespace pila::cli {

namespace {
constexpr char daemon_stream = 3;
constexpr std::size_t max_trouble = 64U << 10;
}  // namespace

Result<void> Demultiplexer::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        if (header_size_ < header_.size()) {
            auto take = std::min(header_.size() - header_size_, bytes.size());
            std::copy_n(bytes.data(), take, header_.data() + header_size_);
            header_size_ += take;
            bytes.remove_prefix(take);
            if (header_size_ < header_.size()) return {};
            if (header_[0] < 0 || header_[0] > daemon_stream)
                return Error(Errc::Invalid,
                             fmt::format("unrecognized stream: {}", static_cast<unsigned char>(header_[0])));
            auto byte = [&](int i) {
                return static_cast<std::uint32_t>(static_cast<unsigned char>(header_[static_cast<std::size_t>(i)]));
            };
            left_ = byte(4) << 24 | byte(5) << 16 | byte(6) << 8 | byte(7);
            trouble_.clear();
        }
        auto piece = bytes.substr(0, left_);
        bytes.remove_prefix(piece.size());
        left_ -= static_cast<std::uint32_t>(piece.size());
        if (header_[0] == daemon_stream)
            trouble_ += piece.substr(0, max_trouble - std::min(max_trouble, trouble_.size()));
        else if (!piece.empty())
            TRY(sink_(header_[0] == 2 ? Stream::Error : Stream::Output, piece));
        if (left_ > 0) return {};
        header_size_ = 0;
        if (header_[0] == daemon_stream) return Error(Errc::Internal, "error from daemon in stream: " + trouble_);
    }
    return {};
}

}  // namespace pila::cli
