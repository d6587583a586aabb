// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests and responses as plain data, for server and client alike. No network library here.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/context.h"
#include "base/fd.h"

namespace pila::http {

// In order of arrival; names compare without case.
class Headers {
public:
    void set(std::string name, std::string value);  // replaces
    void add(std::string name, std::string value);
    std::string_view get(std::string_view name) const;  // "" if absent; the first if several
    bool has(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& all() const { return items_; }

private:
    std::vector<std::pair<std::string, std::string>> items_;
};

// "a=1&b=x%20y": decoded pairs, in order.
class Query {
public:
    static Query parse(std::string_view text);
    std::string_view get(std::string_view name) const;  // "" if absent
    bool has(std::string_view name) const;
    std::vector<std::string_view> all(std::string_view name) const;
    bool flag(std::string_view name, bool otherwise = false) const;  // Docker's rule: "", 0, no, false, none are false

private:
    std::vector<std::pair<std::string, std::string>> items_;
};

std::string percent_encode(std::string_view text);                 // everything but unreserved characters
std::optional<std::string> percent_decode(std::string_view text);  // nullopt: malformed

// A body as it arrives. 0 bytes: the end. Errors: Unavailable (peer gone), Timeout, Exhausted (over the limit),
// Invalid.
class BodyReader {
public:
    virtual ~BodyReader() = default;
    virtual Result<std::size_t> read(char* buffer, std::size_t size) = 0;
    Result<std::string> read_all(std::size_t max_bytes);  // Exhausted if there is more
};

// A response body while its producer runs: holds the calling thread. An error means that the client is gone.
class BodyWriter {
public:
    virtual ~BodyWriter() = default;
    virtual Result<void> write(std::string_view bytes) = 0;  // reaches the wire at once
    // A part of a file, by sendfile(2) where that is possible. Internal if the file ends before.
    virtual Result<void> write_file(FdView file, std::uint64_t start, std::uint64_t count);
};

// A response body whose producer comes later and holds no thread (wait, events, logs -f, watch). Threads: any.
class Stream {
public:
    virtual ~Stream() = default;
    // false: the client is gone or was too slow (more than max_queued bytes waiting) and has been closed.
    virtual bool write(std::string_view bytes) = 0;
    virtual void finish() = 0;
    // Runs once, on the pump's thread, when the client goes away before finish(). Must not block.
    virtual void on_closed(std::function<void()> callback) = 0;
    virtual std::size_t queued_bytes() const = 0;
    // Runs, on the pump's thread, each time that nothing waits any more after something did: whoever has much to say
    // stops at some queued_bytes() and goes on then. Must not block.
    virtual void on_drained(std::function<void()> callback) = 0;
    static constexpr std::size_t max_queued = 1U << 20;
};

// A connection taken over from HTTP. For plain sockets this is the client's own socket, in blocking mode; with TLS and
// for a WebSocket one end of a socket pair that is relayed (tls_relay.h, websocket.h).
struct Hijacked {
    Fd socket;
    std::string already_read;
};

// Whom a client's certificate names; the server's authority has signed it and it is valid now.
struct ClientCertificate {
    std::string common_name;
    std::vector<std::string> organizations;
};

struct Request {
    std::string method;
    std::string target;  // as sent
    std::string path;    // decoded, without query; "." and ".." segments are refused before a handler sees it
    Query query;
    Headers headers;
    BodyReader* body = nullptr;  // valid while the handler runs
    std::string peer;            // "unix:uid=0,pid=12" or "tcp:127.0.0.1:4711"
    bool is_tls = false;
    // Null: none given, or one that nobody trusts, which is_bad says (only if ServerTls makes them optional).
    std::shared_ptr<const ClientCertificate> client_certificate;
    bool client_certificate_is_bad = false;
    std::vector<std::string> parameters;  // of the route, in order
    Context context;                      // stop: the client went away or the server stops
};

struct Response {
    int status = 200;
    Headers headers;
    std::string body;
    // At most one of these instead of `body`:
    // produce: chunked, or with the Content-Length that `headers` give; the head goes out before it runs.
    std::function<Result<void>(BodyWriter&)> produce;
    std::function<void(std::shared_ptr<Stream>)> stream;  // chunked; headers go out at once; the thread is given back
    // After status line and headers, or instead of them if the status is 0; must not block.
    std::function<void(Hijacked)> hijack;

    static Response json(int status, std::string body);
    static Response text(int status, std::string body);
    static Response empty(int status);
};

}  // namespace pila::http
