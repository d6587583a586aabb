// SPDX-License-Identifier: Apache-2.0
#pragma once
// WebSocket connections (RFC 6455, by Boost.Beast) for who knows only plain sockets: each is one end of a socket pair,
// the other end is relayed. Threads: any may call accept(); one thread, made with the first connection, moves all
// bytes.

#include <functional>
#include <memory>
#include <string>

#include "http/message.h"

namespace pila::http {

struct WebSocketOptions {
    bool text = false;  // frames that go out; what comes in may be either
    // What goes out, piece by piece as it was written; empty: nothing yet. Called on the relay's thread.
    std::function<std::string(std::string_view)> outgoing;
};

class WebSockets {
public:
    WebSockets();
    ~WebSockets();  // closes what is open

    // The answer that turns the request's connection into a WebSocket and gives its plain end to `take`. Invalid: the
    // request is no handshake. Denied: it comes from another site's page in somebody's browser.
    Result<Response> accept(const Request& request, WebSocketOptions options, std::function<void(Hijacked)> take);

private:
    struct Relay;
    std::shared_ptr<Relay> relay_;
};

}  // namespace pila::http
