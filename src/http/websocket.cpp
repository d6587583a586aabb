// SPDX-License-Identifier: Apache-2.0
#include "http/websocket.h"

#include <sys/socket.h>
#include <array>
#include <cerrno>
#include <thread>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <fmt/core.h>

#include "base/log.h"
#include "base/mutex.h"
#include "base/text.h"
#include "http/text.h"

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using boost::system::error_code;

namespace pila::http {

namespace {

// With the executor it really has: the one that can be any costs 200 KiB of code.
using Socket = asio::basic_stream_socket<asio::generic::stream_protocol, asio::io_context::executor_type>;
constexpr std::size_t piece_bytes = 32U << 10;

// Everything on the relay's thread. Lives as long as one of its two directions waits for something.
class Session : public std::enable_shared_from_this<Session> {
public:
    Session(asio::io_context& io, WebSocketOptions options) : client_(io), plain_(io), options_(std::move(options)) {}

    Result<void> adopt(Fd client, Fd plain, std::string head) {
        head_ = std::move(head);
        TRY(assign(client_.next_layer(), std::move(client)));
        return assign(plain_, std::move(plain));
    }

    void start() {
        client_.set_option(websocket::stream_base::timeout::suggested(boost::beast::role_type::server));
        client_.text(options_.text);
        // At the goodbye itself: read_client() hears of it only when the client has closed its side, too.
        client_.control_callback([this](websocket::frame_type kind, boost::beast::string_view) {
            error_code error;
            if (kind == websocket::frame_type::close) plain_.close(error);
        });
        client_.async_accept(asio::buffer(head_), [self = shared_from_this()](error_code error) {
            if (error) return self->plain_.close(error), void();
            self->head_ = {};
            self->read_client();
            self->read_plain();
        });
    }

private:
    static Result<void> assign(Socket& socket, Fd fd) {
        int family = 0;
        socklen_t size = sizeof family;
        if (::getsockopt(fd.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
            return Error::from_errno(errno, "family of a socket");
        error_code error;
        socket.assign({family, SOCK_STREAM}, fd.get(), error);
        if (error) return Error(Errc::Internal, "websocket: " + error.message());
        fd.release();
        return {};
    }

    void read_client() {
        client_.async_read_some(
            asio::buffer(incoming_), [self = shared_from_this()](error_code error, std::size_t got) {
                if (error) return self->plain_.close(error), void();  // gone, or said goodbye
                asio::async_write(self->plain_, asio::buffer(self->incoming_, got), [self](error_code, std::size_t) {
                    self->read_client();  // who does not read any more may still write
                });
            });
    }

    void read_plain() {
        plain_.async_read_some(asio::buffer(pieces_), [self = shared_from_this()](error_code error, std::size_t got) {
            if (error) return self->say_goodbye();
            std::string_view bytes(self->pieces_.data(), got);
            self->outgoing_ = self->options_.outgoing ? self->options_.outgoing(bytes) : std::string(bytes);
            if (self->outgoing_.empty()) return self->read_plain();
            self->client_.async_write(asio::buffer(self->outgoing_), [self](error_code failed, std::size_t) {
                if (failed) return self->plain_.close(failed), void();
                self->read_plain();
            });
        });
    }

    void say_goodbye() {
        if (client_.is_open())
            client_.async_close(websocket::close_code::normal, [self = shared_from_this()](error_code) {});
    }

    websocket::stream<Socket, false> client_;
    Socket plain_;
    WebSocketOptions options_;
    std::string head_, outgoing_;
    std::array<char, piece_bytes> incoming_, pieces_;
};

// The request as it came: Beast reads the handshake itself.
std::string head_of(const Request& request) {
    auto head = fmt::format("{} {} HTTP/1.1\r\n", request.method, request.target);
    for (const auto& [name, value] : request.headers.all()) head += name + ": " + value + "\r\n";
    return head + "\r\n";
}

// A page of any site may open WebSockets to this machine from its owner's browser, and browsers say so.
bool is_foreign_page(const Request& request) {
    auto origin = request.headers.get("Origin");
    if (origin.empty() || !request.peer.starts_with("tcp:")) return false;  // no browser speaks to unix sockets
    auto scheme = origin.find("://");
    return scheme == std::string_view::npos || !same_name(origin.substr(scheme + 3), request.headers.get("Host"));
}

}  // namespace

struct WebSockets::Relay {
    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
    Mutex mutex;
    std::thread thread GUARDED_BY(mutex);

    void ensure_thread() {
        Lock lock(mutex);
        if (thread.joinable()) return;
        thread = std::thread([this] {
            ::pthread_setname_np(::pthread_self(), "websockets");
            io.run();
        });
    }
    Result<void> begin(WebSocketOptions options, std::string head, Hijacked& connection) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
            return Error::from_errno(errno, "make a socket pair");
        Fd ours(ends[0]), theirs(ends[1]);
        auto session = std::make_shared<Session>(io, std::move(options));
        TRY(session->adopt(std::move(connection.socket), std::move(ours), head + connection.already_read));
        ensure_thread();
        asio::post(io, [session] { session->start(); });
        connection = {std::move(theirs), ""};
        return {};
    }
};

WebSockets::WebSockets() : relay_(std::make_shared<Relay>()) {}

WebSockets::~WebSockets() {
    relay_->io.stop();
    Lock lock(relay_->mutex);
    if (relay_->thread.joinable()) relay_->thread.join();
}

Result<Response> WebSockets::accept(const Request& request, WebSocketOptions options,
                                    std::function<void(Hijacked)> take) {
    if (request.method != "GET" || to_lower(request.headers.get("Upgrade")) != "websocket" ||
        request.headers.get("Sec-WebSocket-Key").empty())
        return Error(Errc::Invalid, "not a websocket handshake");
    if (is_foreign_page(request))
        return Error(Errc::Denied,
                     fmt::format("no websocket for a page of {}", printable(request.headers.get("Origin"))));
    Response response;
    response.status = 0;  // Beast answers
    response.hijack = [relay = relay_, options = std::move(options), head = head_of(request),
                       take = std::move(take)](Hijacked connection) {
        auto begun = relay->begin(options, head, connection);
        if (!begun) return log::warning("websocket: {}", begun.error().message());
        take(std::move(connection));
    };
    return response;
}

}  // namespace pila::http
