// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <algorithm>
#include <cstring>

#include <fmt/core.h>

#include "http/exchange.h"

namespace pila::http {

static constexpr std::size_t chunk_buffer = 64U << 10;

RequestBody::RequestBody(Connection& connection, const RequestHead& head, const ServerLimits& limits)
    : connection_(connection),
      framing_(head.framing),
      max_bytes_(limits.max_body_bytes),
      patience_{.stall = limits.body_stall_timeout, .stop = connection.stop.get_token()},
      complete_(head.framing.kind == BodyKind::None),
      owes_continue_(head.expects_continue) {
    connection.body_pending = !complete_;
}

// From here on the end of what the client sends means that it has gone.
void RequestBody::finished() {
    complete_ = true;
    connection_.body_pending = false;
    if (connection_.peer_gone) connection_.stop.request_stop();
}

Result<std::size_t> RequestBody::read(char* buffer, std::size_t size) {
    if (failure_) return *failure_;
    if (complete_ || size == 0) return std::size_t{0};
    if (std::exchange(owes_continue_, false) && connection_.input.empty())
        TRY(connection_.channel.write("HTTP/1.1 100 Continue\r\n\r\n", patience_));
    auto got = framing_.kind == BodyKind::Length ? read_length(buffer, size) : read_chunked(buffer, size);
    if (!got) failure_ = got.error();
    return got;
}

Result<std::size_t> RequestBody::read_length(char* buffer, std::size_t size) {
    size = std::min<std::uint64_t>(size, framing_.length - total_);
    auto there = connection_.input.view().substr(0, size);
    std::size_t got = there.size();
    if (got > 0) {
        std::memcpy(buffer, there.data(), got);
        connection_.input.consume(got);
    } else {
        got = TRY(connection_.channel.read(buffer, size, patience_));
        if (got == 0) return Error(Errc::Unavailable, "client left in the middle of a request body");
    }
    total_ += got;
    if (total_ == framing_.length) finished();
    return got;
}

Result<std::size_t> RequestBody::read_chunked(char* buffer, std::size_t size) {
    auto& input = connection_.input;
    for (;;) {
        if (input.empty()) {
            auto* space = input.prepare(chunk_buffer);
            auto got = TRY(connection_.channel.read(space, input.room(), patience_));
            if (got == 0) return Error(Errc::Unavailable, "client left in the middle of a request body");
            input.commit(got);
        }
        auto step = TRY(chunks_.decode(input.view(), buffer, size));
        input.consume(step.consumed);
        total_ += step.produced;
        if (total_ > max_bytes_)
            return Error(Errc::Exhausted, fmt::format("request body of more than {} bytes", max_bytes_));
        if (chunks_.done()) finished();
        if (step.produced > 0 || chunks_.done()) return step.produced;
    }
}

bool RequestBody::skip_available() {
    if (complete_) return true;
    if (owes_continue_ || failure_) return false;  // nobody can tell whether the body will be sent
    char waste[4096];
    for (int i = 0; i < 64 && !complete_; ++i) {
        if (connection_.input.empty()) {
            pollfd ready{connection_.channel.socket(), POLLIN, 0};
            if (!connection_.channel.has_buffered() && ::poll(&ready, 1, 0) <= 0) break;
        }
        if (!read(waste, sizeof waste)) break;
    }
    return complete_;
}

}  // namespace pila::http
