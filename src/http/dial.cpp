// SPDX-License-Identifier: Apache-2.0
#include "http/dial.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <cerrno>

#include <fmt/core.h>

#include "base/text.h"
#include "crypto/base64.h"
#include "http/head.h"
#include "os/socket.h"

namespace pila::http {

namespace {

using Addresses = std::unique_ptr<addrinfo, decltype([](addrinfo* list) { ::freeaddrinfo(list); })>;

Result<Addresses> look_up(const Endpoint& endpoint) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    addrinfo* list = nullptr;
    int failed = ::getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &list);
    if (failed == EAI_SYSTEM) return Error::from_errno(errno, "look up " + endpoint.host);
    if (failed != 0) {
        return Error(Errc::Unavailable, "look up " + endpoint.host + ": " + ::gai_strerror(failed));
    }
    return Addresses(list);
}

Result<Fd> connect_address(const addrinfo& address, const Patience& patience, std::string_view doing) {
    Fd socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return Error::from_errno(errno, doing);
    if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) < 0) {
        if (errno != EINPROGRESS) return Error::from_errno(errno, doing).with_code(Errc::Unavailable);
        Channel waiting(std::move(socket));
        TRY(waiting.wait(POLLOUT, patience).in(doing));
        socket = waiting.release_socket();
        int failed = 0;
        socklen_t size = sizeof failed;
        ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failed, &size);
        if (failed != 0)
            return Error::from_errno(failed, doing).with_code(failed == ETIMEDOUT ? Errc::Timeout : Errc::Unavailable);
    }
    int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    // All further calls say MSG_DONTWAIT; a hijacked socket is handed out blocking.
    if (::fcntl(socket.get(), F_SETFL, 0) < 0) return Error::from_errno(errno, doing);
    return socket;
}

// Every address in the resolver's order (RFC 6724) until one answers.
Result<Fd> connect_tcp(const Endpoint& endpoint, const ClientOptions& options, const Context& context) {
    auto doing = fmt::format("connect {}:{}", endpoint.host, endpoint.port);
    auto addresses = TRY(look_up(endpoint));
    std::optional<Error> failure;
    for (const auto* address = addresses.get(); address; address = address->ai_next) {
        TRY(context.check().in(doing));
        Patience patience{.stall = options.connect_timeout, .deadline = context.deadline, .stop = context.stop};
        auto socket = connect_address(*address, patience, doing);
        if (socket) return socket;
        failure = socket.take_error();
    }
    return failure ? std::move(*failure) : Error(Errc::NotFound, doing + ": no address");
}

// RFC 9110 section 9.3.6. Reads byte by byte past nothing: whatever follows the head belongs to the tunnel.
Result<void> open_tunnel(Channel& channel, const Endpoint& target, const Proxy& proxy, const Patience& patience) {
    auto authority = fmt::format(
        "{}:{}", target.host.find(':') == std::string::npos ? target.host : "[" + target.host + "]", target.port);
    auto request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", authority);
    if (!proxy.authorization.empty()) request += "Proxy-Authorization: " + proxy.authorization + "\r\n";
    request += "\r\n";
    TRY(channel.write(request, patience));
    std::string answer;
    while (head_size(answer) == 0) {
        if (answer.size() > (32U << 10)) return Error(Errc::Invalid, "proxy answered with an endless header");
        char next;
        if (TRY(channel.read(&next, 1, patience)) == 0) return Error(Errc::Unavailable, "proxy closed the connection");
        answer += next;
    }
    auto head = TRY(parse_response_head(answer, "CONNECT"));
    if (head.status / 100 == 2) return {};
    return Error(
        head.status == 407 ? Errc::Unauthenticated : Errc::Unavailable,
        fmt::format("proxy refused a tunnel to {}: {} {}", authority, head.status, reason_phrase(head.status)));
}

}  // namespace

Result<std::optional<Proxy>> Proxy::parse(const std::string& url) {
    if (url.empty()) return std::optional<Proxy>{};
    std::string plain = url;
    Proxy proxy;
    auto start = url.find("://");
    auto end = start == std::string::npos ? start : url.find('/', start + 3);
    auto at = start == std::string::npos ? start : url.substr(0, end).rfind('@');
    if (at != std::string::npos && at > start) {
        auto credentials = percent_decode(std::string_view(url).substr(start + 3, at - start - 3));
        if (!credentials) return Error(Errc::Invalid, "malformed credentials in proxy URL");
        proxy.authorization = "Basic " + crypto::base64_encode(*credentials);
        plain = url.substr(0, start + 3) + url.substr(at + 1);
    }
    proxy.endpoint = TRY(Endpoint::parse(plain).in("proxy"));
    if (proxy.endpoint.scheme != "http")
        return Error(Errc::Unsupported, "unsupported proxy scheme: " + proxy.endpoint.scheme);
    return std::optional<Proxy>(std::move(proxy));
}

Result<Channel> dial(const Endpoint& endpoint, const ClientOptions& options, const std::optional<Proxy>& proxy,
                     std::shared_ptr<TlsContext>& tls, const Context& context) {
    if (endpoint.scheme == "unix") return Channel(TRY(os::connect_unix(endpoint.host, SOCK_STREAM)));
    auto connected = connect_tcp(proxy ? proxy->endpoint : endpoint, options, context);
    if (proxy) connected = std::move(connected).in("proxy for " + endpoint.host);
    auto socket = TRY(std::move(connected));
    if (endpoint.scheme != "https") return Channel(std::move(socket));
    Patience patience{.stall = options.connect_timeout, .deadline = context.deadline, .stop = context.stop};
    if (proxy) {
        Channel channel(std::move(socket));
        TRY(open_tunnel(channel, endpoint, *proxy, patience));
        socket = channel.release_socket();
    }
    if (!tls) tls = TRY(TlsContext::for_client(options));
    return tls->connect(std::move(socket), endpoint.host, patience);
}

}  // namespace pila::http
