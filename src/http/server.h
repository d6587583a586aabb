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
    unsigned max_busy = 0;  // of them, those that do not wait for a client or a service (waiting.h); 0: all
    unsigned max_connections = 4096;
};

class TlsAcceptor;  // tls.h

using Handler = std::function<Response(Request&)>;

class Server {
public:
    // Answers malformed requests (status, message) in the protocol's own shape. Null: plain text.
    using ErrorBody = std::function<Response(int status, const std::string& message)>;
    static Result<std::unique_ptr<Server>> create(Handler handler, ErrorBody error_body, ServerLimits limits = {});
    virtual ~Server() = default;

    // A socket that is already bound and listening, unix or TCP, perhaps with TLS. May be called again for more.
    virtual Result<void> listen(Fd socket, std::shared_ptr<TlsAcceptor> tls = nullptr) = 0;
    // No new requests; fires the stop token of busy ones and waits for them, at most 5 s. Parked streams see on_closed.
    // A handler that ignores its token still runs then, and the destructor waits for it.
    virtual void stop() = 0;
};

}  // namespace pila::http
