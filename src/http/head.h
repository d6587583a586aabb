// SPDX-License-Identifier: Apache-2.0
#pragma once
// The head of a message (start line and header fields), without sockets: parsed from bytes, checked, and written.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace pila::http {

// End of the first "\r\n\r\n" in `bytes` (the size of the head), or 0. `seen` bytes were searched before.
std::size_t head_size(std::string_view bytes, std::size_t seen = 0);

enum class BodyKind : std::uint8_t { None, Length, Chunked, UntilClose };

struct Framing {
    BodyKind kind = BodyKind::None;
    std::uint64_t length = 0;  // of BodyKind::Length
};

struct RequestHead {
    std::string method, target, path, query;  // path decoded
    int minor_version = 1;
    Headers headers;
    Framing framing;
    bool keep_alive = true;
    bool expects_continue = false;
};

// `bytes` is one whole head. Refuses (Invalid) whatever two parsers could read differently (RFC 9112 section 11.2):
// several or conflicting lengths, both kinds of framing, transfer codings other than chunked, targets with dot
// segments.
Result<RequestHead> parse_request_head(std::string_view bytes);

struct ResponseHead {
    int status = 0;
    int minor_version = 1;
    Headers headers;
    Framing framing;
    bool keep_alive = true;
};
Result<ResponseHead> parse_response_head(std::string_view bytes, std::string_view request_method);

std::string_view reason_phrase(int status);
std::string_view date_now();  // "Sun, 06 Nov 1994 08:49:37 GMT"; valid until the thread's next call

// Decodes the chunked coding (RFC 9112 section 7.1) in place, byte by byte fed, with no buffer of its own.
class ChunkDecoder {
public:
    struct Step {
        std::size_t consumed = 0;  // of the input, framing included
        std::size_t produced = 0;  // payload copied to the output
    };
    Result<Step> decode(std::string_view input, char* output, std::size_t size);
    bool done() const { return state_ == State::Done; }

private:
    enum class State : std::uint8_t { Size, Extension, SizeEnd, Data, DataCr, DataLf, Trailer, TrailerLf, Last, Done };
    Result<void> frame(char c);
    State state_ = State::Size;
    std::uint64_t left_ = 0;
    std::size_t line_ = 0;  // bytes of this line so far, of all trailers together
    bool digits_ = false;
    bool trailer_ = false;
};

}  // namespace pila::http
