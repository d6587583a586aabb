// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <poll.h>
#include <cstring>

#include <fmt/core.h>

#include "http/buffer.h"
#include "http/dial.h"
#include "http/head.h"
#include "http/text.h"
#include "http/tls_relay.h"

namespace pila::http {

namespace {

constexpr std::size_t max_header_bytes = 256U << 10;
constexpr std::size_t read_size = 16U << 10;

struct Link {
    Channel channel;
    ByteBuffer input;
};

// Where a connection rests between two exchanges; shared with the body that still uses it.
struct Slot {
    std::unique_ptr<Link> idle;
};

class ResponseBody : public BodyReader {
public:
    ResponseBody(std::unique_ptr<Link> link, std::shared_ptr<Slot> slot, const ResponseHead& head, Patience patience)
        : link_(std::move(link)),
          slot_(std::move(slot)),
          framing_(head.framing),
          reusable_(head.keep_alive),
          patience_(std::move(patience)) {
        if (framing_.kind == BodyKind::None) finished();
    }

    Result<std::size_t> read(char* buffer, std::size_t size) override {
        if (failure_) return *failure_;
        if (!link_ || size == 0) return std::size_t{0};
        auto got = framing_.kind == BodyKind::Chunked ? read_chunked(buffer, size) : read_plain(buffer, size);
        if (!got) {
            failure_ = got.error();
            link_.reset();
        }
        return got;
    }

private:
    Result<std::size_t> read_plain(char* buffer, std::size_t size) {
        bool counted = framing_.kind == BodyKind::Length;
        if (counted) size = std::min<std::uint64_t>(size, framing_.length - total_);
        auto there = link_->input.view().substr(0, size);
        std::size_t got = there.size();
        if (got > 0) {
            std::memcpy(buffer, there.data(), got);
            link_->input.consume(got);
        } else {
            got = TRY(link_->channel.read(buffer, size, patience_));
        }
        if (got == 0 && counted)
            return Error(Errc::Unavailable,
                         fmt::format("server closed the connection after {} of {} bytes", total_, framing_.length));
        total_ += got;
        if (got == 0 || (counted && total_ == framing_.length)) finished();
        return got;
    }

    Result<std::size_t> read_chunked(char* buffer, std::size_t size) {
        auto& input = link_->input;
        for (;;) {
            if (input.empty()) {
                auto* space = input.prepare(read_size);
                auto got = TRY(link_->channel.read(space, input.room(), patience_));
                if (got == 0) return Error(Errc::Unavailable, "server closed the connection in the middle of a body");
                input.commit(got);
            }
            auto step = TRY(chunks_.decode(input.view(), buffer, size));
            input.consume(step.consumed);
            bool done = chunks_.done();
            if (done) finished();
            if (step.produced > 0 || done) return step.produced;
        }
    }

    void finished() {
        if (reusable_ && link_->input.empty() && framing_.kind != BodyKind::UntilClose) slot_->idle = std::move(link_);
        link_.reset();
    }

    std::unique_ptr<Link> link_;
    std::shared_ptr<Slot> slot_;
    const Framing framing_;
    const bool reusable_;
    const Patience patience_;
    ChunkDecoder chunks_;
    std::uint64_t total_ = 0;
    std::optional<Error> failure_;
};

bool is_idempotent(std::string_view method) {
    for (std::string_view known : {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})
        if (method == known) return true;
    return false;
}

// Of an answer that comes while the request is still being sent; more waits in the socket.
constexpr std::size_t max_early_answer = 1U << 20;

class SocketClient : public Client {
public:
    SocketClient(Endpoint endpoint, ClientOptions options, std::optional<Proxy> proxy)
        : endpoint_(std::move(endpoint)), options_(std::move(options)), proxy_(std::move(proxy)) {}

    Result<ClientResponse> send(const Context& context, const ClientRequest& request) override {
        auto head = TRY(make_head(request, false));
        auto [link, response] = TRY(exchange(context, request, head));
        return deliver(std::move(link), std::move(response), patience(context));
    }

    Result<Upgraded> upgrade(const Context& context, const ClientRequest& request) override {
        auto head = TRY(make_head(request, true));
        auto [link, response] = TRY(exchange(context, request, head));
        Upgraded upgraded;
        if (response.status == 101 || response.status == 200) {
            upgraded.headers = std::move(response.headers);
            upgraded.connection.already_read = std::string(link->input.view());
            if (link->channel.is_tls()) {
                if (!relay_) relay_ = std::make_unique<TlsRelay>();
                upgraded.connection.socket = TRY(relay_->begin(std::move(link->channel), TlsRelay::Side::Client));
            } else {
                upgraded.connection.socket = link->channel.release_socket();
            }
        } else {
            upgraded.headers = response.headers;
            upgraded.refused = deliver(std::move(link), std::move(response), patience(context));
        }
        return upgraded;
    }

private:
    using Answer = std::pair<std::unique_ptr<Link>, ResponseHead>;
    // How far a request got before it failed: decides whether it may be sent again, and whether there can be an answer.
    enum class Sent : std::uint8_t { Nothing, Part, All };
    struct Progress {
        Sent sent = Sent::Nothing;
        bool server_stopped = false;  // it failed at the server's end, so perhaps an answer says why
    };

    Patience patience(const Context& context) const {
        return {.stall = options_.stall_timeout, .deadline = context.deadline, .stop = context.stop};
    }

    ClientResponse deliver(std::unique_ptr<Link> link, ResponseHead head, Patience patience) {
        ClientResponse response;
        response.status = head.status;
        response.body = std::make_unique<ResponseBody>(std::move(link), slot_, head, std::move(patience));
        response.headers = std::move(head.headers);
        return response;
    }

    Result<std::string> make_head(const ClientRequest& request, bool upgrade) const;
    Result<Answer> exchange(const Context& context, const ClientRequest& request, const std::string& head);
    Result<void> send_request(Link& link, const ClientRequest& request, const std::string& head,
                              const Patience& patience, Progress& progress);
    static Result<void> send_streamed(Link& link, const ClientRequest& request, const Patience& patience,
                                      Progress& progress);
    static Result<void> write_unless_answered(Link& link, iovec* parts, int count, const Patience& patience,
                                              Progress& progress);
    static bool take_early_answer(Link& link, const Patience& patience);
    static Result<ResponseHead> read_head(Link& link, const ClientRequest& request, const Patience& patience,
                                          bool upgrade_ok);

    static bool is_stale(Link& link) {
        pollfd waiting{link.channel.socket(), POLLIN | POLLRDHUP, 0};
        return !link.input.empty() || ::poll(&waiting, 1, 0) != 0;
    }

    const Endpoint endpoint_;
    const ClientOptions options_;
    const std::optional<Proxy> proxy_;
    std::shared_ptr<TlsContext> tls_;
    std::unique_ptr<TlsRelay> relay_;
    std::shared_ptr<Slot> slot_ = std::make_shared<Slot>();
};

Result<std::string> SocketClient::make_head(const ClientRequest& request, bool upgrade) const {
    if (!is_token(request.method)) return Error(Errc::Invalid, "malformed HTTP method");
    bool plain_target = !request.target.empty();
    for (char c : request.target) plain_target = plain_target && static_cast<unsigned char>(c) > 0x20 && c != 0x7f;
    if (!plain_target) return Error(Errc::Invalid, "malformed request target");
    std::string head = request.method + " ";
    bool through_proxy = proxy_ && endpoint_.scheme == "http";
    if (through_proxy) head += "http://" + endpoint_.host_header();
    head += request.target + " HTTP/1.1\r\n";
    if (!request.headers.has("Host")) head += "Host: " + endpoint_.host_header() + "\r\n";
    for (const auto& [name, value] : request.headers.all()) {
        if (!is_token(name) || !is_field_value(value)) return Error(Errc::Invalid, "malformed request header " + name);
        if (same_name(name, "Content-Length") || same_name(name, "Transfer-Encoding")) continue;
        head.append(name).append(": ").append(value).append("\r\n");
    }
    if (through_proxy && !proxy_->authorization.empty())
        head += "Proxy-Authorization: " + proxy_->authorization + "\r\n";
    if (!request.headers.has("User-Agent")) head += "User-Agent: pila/" PILA_VERSION "\r\n";
    if (upgrade) head += "Connection: Upgrade\r\nUpgrade: tcp\r\n";
    if (request.streamed_body && !request.streamed_length)
        head += "Transfer-Encoding: chunked\r\n";
    else if (request.streamed_body)
        head += fmt::format("Content-Length: {}\r\n", *request.streamed_length);
    else if (!request.body.empty() || request.has_body)
        head += fmt::format("Content-Length: {}\r\n", request.body.size());
    head += "\r\n";
    return head;
}

// A server may close a kept connection at any time; then the request is sent once more over a new one, if that cannot
// make it happen twice (RFC 9112 section 9.3.1).
Result<SocketClient::Answer> SocketClient::exchange(const Context& context, const ClientRequest& request,
                                                    const std::string& head) {
    auto limits = patience(context);
    bool upgrade_ok = head.find("\r\nUpgrade: ") != std::string::npos;
    for (;;) {
        TRY(context.check());
        auto link = std::move(slot_->idle);
        if (link && is_stale(*link)) link.reset();
        bool reused = link != nullptr;
        if (!link) {
            link = std::make_unique<Link>();
            link->channel = TRY(dial(endpoint_, options_, proxy_, tls_, context));
        }
        Progress progress;
        auto written = send_request(*link, request, head, limits, progress);
        bool may_answer = written || (progress.sent != Sent::Nothing && progress.server_stopped);
        auto answer =
            may_answer ? read_head(*link, request, limits, upgrade_ok) : Result<ResponseHead>(written.error());
        if (answer) {
            // Answered before it was read to the end: the rest of the request is still in the way.
            if (!written) answer->keep_alive = false;
            return Answer{std::move(link), answer.take()};
        }
        bool repeatable = !request.streamed_body && (is_idempotent(request.method) || progress.sent != Sent::All);
        bool closed = answer.error().code() == Errc::Unavailable && link->input.empty();
        if (reused && repeatable && closed && context.check()) continue;
        return written ? answer.take_error() : written.take_error();
    }
}

Result<void> SocketClient::send_request(Link& link, const ClientRequest& request, const std::string& head,
                                        const Patience& patience, Progress& progress) {
    iovec parts[2] = {{const_cast<char*>(head.data()), head.size()},
                      {const_cast<char*>(request.body.data()), request.streamed_body ? 0 : request.body.size()}};
    auto first = TRY(link.channel.try_write(parts, 2));
    if (first.bytes > 0) progress.sent = Sent::Part;
    int used = advance(parts, 2, first.bytes);
    if (used < 2) TRY(write_unless_answered(link, parts + used, 2 - used, patience, progress));
    if (request.streamed_body) TRY(send_streamed(link, request, patience, progress));
    progress.sent = Sent::All;
    return {};
}

// What has come of an answer while we still send: taken in, so that a server that tells of its progress does not stall.
// false: it is a refusal, or the server is gone.
bool SocketClient::take_early_answer(Link& link, const Patience& patience) {
    auto* space = link.input.prepare(read_size / 4);
    auto got = link.channel.read(space, link.input.room(), patience);
    if (!got || *got == 0) return false;
    link.input.commit(*got);
    auto view = link.input.view();
    constexpr std::size_t status_at = 9;  // behind "HTTP/1.1 "
    return view.size() <= status_at || view[status_at] == '1' || view[status_at] == '2';
}

// A server that refuses while it does not read has no use for the rest of the body; one that accepts goes on reading.
Result<void> SocketClient::write_unless_answered(Link& link, iovec* parts, int count, const Patience& patience,
                                                 Progress& progress) {
    while (count > 0) {
        auto step = link.channel.try_write(parts, count);
        if (!step) {
            progress.server_stopped = true;
            return step.take_error();
        }
        int used = advance(parts, count, step->bytes);
        parts += used;
        count -= used;
        if (!step->wait) continue;
        bool listen = !link.channel.is_tls() && link.input.size() < max_early_answer;
        auto events = static_cast<short>(step->wait | (listen ? POLLIN : 0));
        auto ready = TRY(link.channel.wait(events, patience));
        if (!listen || !(ready & POLLIN) || (ready & POLLOUT)) continue;
        if (take_early_answer(link, patience)) continue;
        progress.server_stopped = true;
        return Error(Errc::Unavailable, "server stopped reading the request body");
    }
    return {};
}

Result<void> SocketClient::send_streamed(Link& link, const ClientRequest& request, const Patience& patience,
                                         Progress& progress) {
    constexpr std::size_t piece = 64U << 10;
    auto buffer = std::make_unique_for_overwrite<char[]>(piece);
    bool chunked = !request.streamed_length;
    std::uint64_t left = request.streamed_length.value_or(0);
    while (auto got = TRY(request.streamed_body->read(buffer.get(), piece).in("read request body"))) {
        if (!chunked && got > left) return Error(Errc::Invalid, "request body is longer than announced");
        left -= chunked ? 0 : got;
        auto size = chunked ? fmt::format("{:x}\r\n", got) : std::string();
        iovec parts[3] = {
            {size.data(), size.size()}, {buffer.get(), got}, {const_cast<char*>("\r\n"), chunked ? 2U : 0U}};
        TRY(write_unless_answered(link, parts, 3, patience, progress));
    }
    if (left > 0) return Error(Errc::Invalid, "request body is shorter than announced");
    if (!chunked) return {};
    iovec last{const_cast<char*>("0\r\n\r\n"), 5};
    return write_unless_answered(link, &last, 1, patience, progress);
}

Result<ResponseHead> SocketClient::read_head(Link& link, const ClientRequest& request, const Patience& patience,
                                             bool upgrade_ok) {
    auto& input = link.input;
    std::size_t searched = 0;
    for (;;) {
        auto size = head_size(input.view(), searched);
        if (size == 0) {
            searched = input.size();
            if (searched > max_header_bytes) return Error(Errc::Invalid, "response header too large");
            auto* space = input.prepare(read_size / 4);
            auto got = TRY(link.channel.read(space, input.room(), patience));
            if (got == 0) return Error(Errc::Unavailable, "server closed the connection without an answer");
            input.commit(got);
            continue;
        }
        auto head = TRY(parse_response_head(input.view().substr(0, size), request.method));
        input.consume(size);
        if (head.status >= 200 || (head.status == 101 && upgrade_ok)) return head;
        if (head.status == 101) return Error(Errc::Invalid, "server switched protocols without being asked");
        searched = 0;
    }
}

}  // namespace

Result<std::unique_ptr<Client>> Client::create(Endpoint endpoint, ClientOptions options) {
    auto proxy = endpoint.scheme == "unix" ? std::optional<Proxy>{} : TRY(Proxy::parse(options.proxy));
    return std::unique_ptr<Client>(
        std::make_unique<SocketClient>(std::move(endpoint), std::move(options), std::move(proxy)));
}

}  // namespace pila::http
