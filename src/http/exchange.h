// SPDX-License-Identifier: Apache-2.0
#pragma once
// One request and its answer, on a worker's thread.

#include "http/head.h"
#include "http/pump.h"
#include "http/tls_relay.h"
#include "http/worker_pool.h"

namespace pila::http {

struct ServerCore {
    Handler handler;
    Server::ErrorBody error_body;
    ServerLimits limits;
    std::shared_ptr<Pump> pump;
    std::unique_ptr<WorkerPool> pool;
    TlsRelay relay;
    std::atomic<bool> stopping{false};

    void serve(const ConnectionPointer& connection);  // as many requests as come without a pause

private:
    bool linger(Connection& connection) const;
};

class RequestBody : public BodyReader {
public:
    RequestBody(Connection& connection, const RequestHead& head, const ServerLimits& limits);
    Result<std::size_t> read(char* buffer, std::size_t size) override;

    bool complete() const { return complete_; }
    // Skips what is there already, so that the connection can serve another request. False: the body has not ended.
    bool skip_available();

private:
    Result<std::size_t> read_length(char* buffer, std::size_t size);
    Result<std::size_t> read_chunked(char* buffer, std::size_t size);
    void finished();

    Connection& connection_;
    const Framing framing_;
    const std::uint64_t max_bytes_;
    Patience patience_;
    ChunkDecoder chunks_;
    std::uint64_t total_ = 0;
    bool complete_ = false;
    bool owes_continue_;
    std::optional<Error> failure_;
};

class Exchange {
public:
    enum class Outcome : std::uint8_t { KeepAlive, Close, Drain, GivenAway };
    Exchange(ServerCore& core, const ConnectionPointer& connection) : core_(core), connection_(connection) {}
    Outcome run();

private:
    Outcome refuse(int status, std::string_view message);
    Response call_handler(Request& request);
    Outcome respond(Response response);
    Outcome send_body(Response& response);
    Outcome send_produced(Response& response);
    Outcome park(Response& response);
    Outcome hijack(Response& response);
    std::string make_head(const Response& response, bool has_body) const;
    Outcome after() const { return !body_done() ? Outcome::Drain : keep_alive_ ? Outcome::KeepAlive : Outcome::Close; }
    bool body_done() const { return !body_ || body_->complete(); }
    Patience patience() const { return {.stall = core_.limits.body_stall_timeout}; }

    ServerCore& core_;
    const ConnectionPointer& connection_;
    RequestHead head_;
    std::optional<RequestBody> body_;
    bool keep_alive_ = true;
    enum class Coding : std::uint8_t { Length, Chunked, UntilClose } coding_ = Coding::Length;
};

}  // namespace pila::http
