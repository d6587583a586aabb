// SPDX-License-Identifier: Apache-2.0
#pragma once
// HTTP/1.1 server over unix and TCP sockets: one thread per busy request (capped), every idle connection and parked
// stream on one epoll pump. docs/decisions/002-threads.md.

#include <chrono>
#include <functional>
#include <memory>

#include "http/message.h"

namespace pila::http {

struct ServerLimits {
    std::size_t max_header_bytes = 64U << 10;
    std::size_t max_body_bytes = 64ULL << 30;              // streamed bodies; handlers bound what they hold in memory
    std::chrono::milliseconds header_timeout{10'000};      // from the first byte of a request to the end of its headers
    std::chrono::milliseconds body_stall_timeout{60'000};  // between two reads of a body, and two writes of a response
    unsigned max_threads = 64;
    unsigned max_connections = 4096;
};

using Handler = std::function<Response(Request&)>;

class Server {
public:
    // Malformed requests are answered through `error_body` (status, message) so that they have the protocol's own
    // shape.
    using ErrorBody = std::function<Response(int status, const std::string& message)>;
    static Result<std::unique_ptr<Server>> create(Handler handler, ErrorBody error_body, ServerLimits limits = {});
    virtual ~Server() = default;

    virtual Result<void> listen(
        Fd listening_socket) = 0;  // already bound and listening; unix or TCP; may be called again
    virtual void stop() = 0;       // no new requests; waits for busy ones (at most 5 s)
};

}  // namespace pila::http
