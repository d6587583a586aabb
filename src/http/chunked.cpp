// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "http/head.h"

namespace pila::http {

static constexpr std::size_t max_chunk_line = 4096;  // size, extensions; and all trailers together

static Error malformed() { return Error(Errc::Invalid, "malformed chunked body"); }

static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// One byte of framing. Bare line feeds are refused: other servers disagree about them (request smuggling).
Result<void> ChunkDecoder::frame(char c) {
    if (++line_ > max_chunk_line) return malformed();
    switch (state_) {
        case State::Size:
            if (int value = digit(c); value >= 0) {
                if (left_ >> 59) return malformed();
                left_ = left_ * 16 + static_cast<unsigned>(value);
                digits_ = true;
                return {};
            }
            if (!digits_) return malformed();
            if (c == '\r')
                state_ = State::SizeEnd;
            else if (c == ';' || c == ' ' || c == '\t')
                state_ = State::Extension;
            else
                return malformed();
            return {};
        case State::Extension:
            // RFC 9112 section 7.1.1: extensions that are not understood are ignored.
            if (c == '\r')
                state_ = State::SizeEnd;
            else if (static_cast<unsigned char>(c) < 0x20 && c != '\t')
                return malformed();
            return {};
        case State::SizeEnd:
            if (c != '\n') return malformed();
            state_ = left_ > 0 ? State::Data : State::Last;
            digits_ = false;
            line_ = 0;
            return {};
        case State::DataCr:
            if (c != '\r') return malformed();
            state_ = State::DataLf;
            return {};
        case State::DataLf:
            if (c != '\n') return malformed();
            state_ = State::Size;
            line_ = 0;
            return {};
        case State::Last:  // at the start of a trailer line
            if (c == '\r')
                state_ = State::TrailerLf, trailer_ = false;
            else if (static_cast<unsigned char>(c) < 0x20)
                return malformed();
            else
                state_ = State::Trailer, trailer_ = true;
            return {};
        case State::Trailer:
            if (c == '\r')
                state_ = State::TrailerLf;
            else if (static_cast<unsigned char>(c) < 0x20 && c != '\t')
                return malformed();
            return {};
        case State::TrailerLf:
            if (c != '\n') return malformed();
            state_ = trailer_ ? State::Last : State::Done;
            return {};
        case State::Data:
        case State::Done: break;
    }
    return malformed();
}

Result<ChunkDecoder::Step> ChunkDecoder::decode(std::string_view input, char* output, std::size_t size) {
    Step step;
    while (step.consumed < input.size() && state_ != State::Done) {
        if (state_ != State::Data) {
            TRY(frame(input[step.consumed]));
            ++step.consumed;
            continue;
        }
        if (step.produced == size) break;
        auto count = std::min<std::uint64_t>({left_, input.size() - step.consumed, size - step.produced});
        std::memcpy(output + step.produced, input.data() + step.consumed, count);
        step.consumed += count;
        step.produced += count;
        left_ -= count;
        if (left_ == 0) state_ = State::DataCr;
    }
    return step;
}

}  // namespace pila::http
