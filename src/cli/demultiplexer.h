// SPDX-License-Identifier: Apache-2.0
#pragma once
// Takes apart the frames in which the API carries several streams on one connection: one byte of stream number, three
// zero bytes, four bytes of length (big endian), the bytes.

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace pila::cli {

class Demultiplexer {
public:
    enum class Stream : std::uint8_t { Output, Error };
    using Sink = std::function<Result<void>(Stream stream, std::string_view bytes)>;

    explicit Demultiplexer(Sink sink) : sink_(std::move(sink)) {}
    // Pieces of any size; whole or partial frames. Errors: unknown stream, or what the daemon reports in the stream.
    Result<void> feed(std::string_view bytes);

private:
    Sink sink_;
    std::array<char, 8> header_{};
    std::size_t header_size_ = 0;
    std::uint32_t left_ = 0;  // of the frame's bytes
    std::string trouble_;     // text of a frame on the daemon's own error stream
};

}  // namespace pila::cli
