// SPDX-License-Identifier: Apache-2.0
#include "http/exchange.h"

#include <poll.h>
#include <charconv>
#include <exception>

#include <fmt/core.h>

#include "base/log.h"
#include "base/text.h"
#include "http/parked_stream.h"
#include "http/text.h"

namespace pila::http {

namespace {

// Bodies of `produce`. Each write is one system call and on the wire when it returns.
class ProducedBody : public BodyWriter {
public:
    ProducedBody(Channel& channel, Patience patience, bool chunked, std::optional<std::uint64_t> length)
        : channel_(channel), patience_(std::move(patience)), chunked_(chunked), left_(length) {}

    Result<void> write(std::string_view bytes) override {
        if (failure_) return *failure_;
        if (bytes.empty()) return {};
        auto sent = send(bytes);
        if (!sent) failure_ = sent.error();
        return sent;
    }
    Result<void> write_file(FdView file, std::uint64_t start, std::uint64_t count) override {
        if (chunked_ || channel_.is_tls() || failure_) return BodyWriter::write_file(file, start, count);
        if (left_ && count > *left_) return Error(Errc::Internal, "response body is longer than its Content-Length");
        auto sent = channel_.send_file(file, start, count, patience_);
        if (!sent) failure_ = sent.error();
        if (sent && left_) *left_ -= count;
        return sent;
    }
    bool complete() const { return !failure_ && left_.value_or(0) == 0; }

private:
    Result<void> send(std::string_view bytes) {
        if (left_) {
            if (bytes.size() > *left_) return Error(Errc::Internal, "response body is longer than its Content-Length");
            *left_ -= bytes.size();
        }
        char line[24];
        auto* end = std::to_chars(line, line + 20, bytes.size(), 16).ptr;
        *end++ = '\r';
        *end++ = '\n';
        iovec parts[3] = {{line, chunked_ ? static_cast<std::size_t>(end - line) : 0},
                          {const_cast<char*>(bytes.data()), bytes.size()},
                          {const_cast<char*>("\r\n"), chunked_ ? 2U : 0U}};
        return channel_.write(parts, 3, patience_);
    }

    Channel& channel_;
    const Patience patience_;
    const bool chunked_;
    std::optional<std::uint64_t> left_;
    std::optional<Error> failure_;
};

bool fits_on_wire(const Response& response) {
    if (response.status == 0 && response.hijack) return true;
    if (response.status < 100 || response.status > 999) return false;
    for (const auto& [name, value] : response.headers.all())
        if (!is_token(name) || !is_field_value(value)) return false;
    return true;
}

bool never_has_body(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace

void ServerCore::serve(const ConnectionPointer& connection) {
    for (;;) {
        switch (Exchange(*this, connection).run()) {
            case Exchange::Outcome::GivenAway: return;
            case Exchange::Outcome::Close: return pump->close(connection);
            case Exchange::Outcome::Drain: return pump->drain(connection);
            case Exchange::Outcome::KeepAlive: break;
        }
        if (!linger(*connection)) return pump->give_back(connection);
    }
}

// A client that asks again does so at once: waiting a moment for it costs less than two hand-overs between threads.
bool ServerCore::linger(Connection& connection) const {
    if (head_is_decided(connection, limits.max_header_bytes)) return true;
    if (pool->crowded() || stopping.load(std::memory_order_relaxed)) return false;
    pollfd waiting{connection.channel.socket(), POLLIN, 0};
    if (!connection.channel.has_buffered() && ::poll(&waiting, 1, 1) <= 0) return false;
    auto* space = connection.input.prepare(4096);
    auto step = connection.channel.try_read(space, connection.input.room());
    if (!step || step->end) return false;  // the pump sees the same and closes
    connection.input.commit(step->bytes);
    return head_is_decided(connection, limits.max_header_bytes);
}

Exchange::Outcome Exchange::run() {
    auto& input = connection_->input;
    connection_->searched = 0;
    if (int status = std::exchange(connection_->refusal, 0)) return refuse(status, refusal_message(status));
    auto head = parse_request_head(input.view().substr(0, connection_->head));
    input.consume(connection_->head);
    if (!head) return refuse(400, head.error().message());
    head_ = head.take();
    keep_alive_ = head_.keep_alive;
    if (head_.framing.kind == BodyKind::Length && head_.framing.length > core_.limits.max_body_bytes)
        return refuse(413, fmt::format("request body of more than {} bytes", core_.limits.max_body_bytes));

    body_.emplace(*connection_, head_, core_.limits);
    Request request;
    request.method = head_.method;
    request.target = std::move(head_.target);
    request.path = std::move(head_.path);
    request.query = Query::parse(head_.query);
    request.headers = std::move(head_.headers);
    request.body = &*body_;
    request.peer = connection_->peer;
    request.is_tls = connection_->channel.is_tls();
    request.client_certificate = connection_->channel.client_certificate(request.client_certificate_is_bad);
    request.context.stop = connection_->stop.get_token();
    request.context.actor = connection_->peer.substr(0, connection_->peer.find(','));
    return respond(call_handler(request));
}

Exchange::Outcome Exchange::refuse(int status, std::string_view message) {
    keep_alive_ = false;
    respond(core_.error_body(status, std::string(message)));
    return Outcome::Drain;
}

Response Exchange::call_handler(Request& request) {
    try {
        return core_.handler(request);
    } catch (const std::exception& error) {
        log::error("http: {} {}: {}", request.method, printable(request.path), error.what());
    } catch (...) {
        log::error("http: {} {}: unknown exception", request.method, printable(request.path));
    }
    return core_.error_body(500, "internal server error");
}

Exchange::Outcome Exchange::respond(Response response) {
    if (!fits_on_wire(response)) {
        log::error("http: {}: refused to send a malformed response header", head_.method);
        response = Response::text(500, "internal server error");
    }
    if (response.hijack) return hijack(response);
    if (core_.stopping || same_name(response.headers.get("Connection"), "close")) keep_alive_ = false;
    if (response.produce && head_.method != "HEAD") return send_produced(response);
    if (body_ && !body_->skip_available()) keep_alive_ = false;
    if (response.stream && head_.method != "HEAD") return park(response);
    return send_body(response);
}

std::string Exchange::make_head(const Response& response, bool has_body) const {
    std::string head;
    head.reserve(512);
    fmt::format_to(std::back_inserter(head), "HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
    bool dated = false;
    bool sized = false;
    for (const auto& [name, value] : response.headers.all()) {
        if (same_name(name, "Connection") || same_name(name, "Transfer-Encoding")) continue;
        bool is_length = same_name(name, "Content-Length");
        // A handler's own length counts when no body here contradicts it: produced bodies, and HEAD.
        if (is_length && !response.body.empty()) continue;
        sized = sized || is_length;
        dated = dated || same_name(name, "Date");
        head.append(name).append(": ").append(value).append("\r\n");
    }
    if (!dated) head.append("Date: ").append(date_now()).append("\r\n");
    if (has_body && coding_ == Coding::Chunked) head.append("Transfer-Encoding: chunked\r\n");
    bool length_unknown = response.produce || response.stream;
    if (!sized && !length_unknown && !never_has_body(response.status))
        head.append("Content-Length: ").append(std::to_string(response.body.size())).append("\r\n");
    if (!keep_alive_)
        head.append("Connection: close\r\n");
    else if (head_.minor_version == 0)
        head.append("Connection: keep-alive\r\n");
    head.append("\r\n");
    return head;
}

Exchange::Outcome Exchange::send_body(Response& response) {
    auto head = make_head(response, false);
    bool bodiless = head_.method == "HEAD" || never_has_body(response.status);
    iovec parts[2] = {{head.data(), head.size()}, {response.body.data(), bodiless ? 0 : response.body.size()}};
    if (!connection_->channel.write(parts, 2, patience())) return Outcome::Close;
    return after();
}

Exchange::Outcome Exchange::send_produced(Response& response) {
    std::optional<std::uint64_t> length;
    if (response.headers.has("Content-Length")) length = parse_uint(response.headers.get("Content-Length"));
    coding_ = length ? Coding::Length : head_.minor_version > 0 ? Coding::Chunked : Coding::UntilClose;
    if (coding_ == Coding::UntilClose) keep_alive_ = false;
    auto head = make_head(response, true);
    auto& channel = connection_->channel;
    if (!channel.write(head, patience())) return Outcome::Close;

    ProducedBody body(channel, patience(), coding_ == Coding::Chunked, length);
    auto produced = [&]() -> Result<void> {
        try {
            return response.produce(body);
        } catch (const std::exception& error) {
            return Error(Errc::Internal, error.what());
        }
    }();
    if (!produced) log::info("http: {}: response broken off: {}", head_.method, produced.error().message());
    // Without its end the client can tell that the body is not whole.
    if (!produced || !body.complete()) return Outcome::Close;
    if (coding_ == Coding::Chunked && !channel.write("0\r\n\r\n", patience())) return Outcome::Close;
    if (body_) body_->skip_available();
    return after();
}

Exchange::Outcome Exchange::park(Response& response) {
    coding_ = head_.minor_version > 0 ? Coding::Chunked : Coding::UntilClose;
    if (coding_ == Coding::UntilClose) keep_alive_ = false;
    auto head = make_head(response, true);
    if (!connection_->channel.write(head, patience())) return Outcome::Close;
    auto stream = std::make_shared<ParkedStream>(core_.pump, connection_, coding_ == Coding::Chunked, keep_alive_,
                                                 core_.limits.body_stall_timeout);
    connection_->input.release_if_empty();
    core_.pump->park(connection_, stream);
    try {
        response.stream(std::move(stream));
    } catch (const std::exception& error) {
        log::error("http: {}: stream handler: {}", head_.method, error.what());
    }
    return Outcome::GivenAway;
}

// Status line and headers exactly as the handler gave them: after them the connection is no longer HTTP's.
Exchange::Outcome Exchange::hijack(Response& response) {
    if (body_ && !body_->skip_available()) return refuse(400, "request body of a hijacked connection was not read");
    auto head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_phrase(response.status));
    for (const auto& [name, value] : response.headers.all())
        head.append(name).append(": ").append(value).append("\r\n");
    head += "\r\n";
    if (response.status != 0 && !connection_->channel.write(head, patience())) return Outcome::Close;
    Hijacked hijacked;
    hijacked.already_read = std::string(connection_->input.view());
    auto channel = core_.pump->take_channel(connection_);
    if (channel.is_tls()) {
        auto plain = core_.relay.begin(std::move(channel), TlsRelay::Side::Server);
        if (!plain) {
            log::warning("http: {}: hijack: {}", head_.method, plain.error().message());
            return Outcome::GivenAway;
        }
        hijacked.socket = plain.take();
    } else {
        hijacked.socket = channel.release_socket();
    }
    try {
        response.hijack(std::move(hijacked));
    } catch (const std::exception& error) {
        log::error("http: {}: hijack handler: {}", head_.method, error.what());
    }
    return Outcome::GivenAway;
}

}  // namespace pila::http
