// SPDX-License-Identifier: Apache-2.0
// How connections come to the pump, and what happens when there are too many.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <cerrno>

#include <fmt/core.h>

#include "base/log.h"
#include "http/pump.h"
#include "http/tls.h"
#include "os/socket.h"

namespace pila::http {

Result<void> Pump::listen(Fd socket, std::shared_ptr<TlsAcceptor> tls) {
    int family = 0;
    socklen_t size = sizeof family;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) < 0)
        return Error::from_errno(errno, "family of listening socket");
    // Only the listener: accepted sockets stay blocking, all calls on them say MSG_DONTWAIT.
    if (::fcntl(socket.get(), F_SETFL, O_NONBLOCK) < 0) return Error::from_errno(errno, "mode of listening socket");
    if (family != AF_UNIX) {
        // Accepted sockets inherit these from the listening one.
        int on = 1, idle_seconds = 60, interval_seconds = 15;
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_KEEPIDLE, &idle_seconds, sizeof idle_seconds);
        ::setsockopt(socket.get(), IPPROTO_TCP, TCP_KEEPINTVL, &interval_seconds, sizeof interval_seconds);
    }
    Lock lock(mutex_);
    if (stopping_) return Error(Errc::Unavailable, "server is stopping");
    auto id = next_id_++;
    epoll_event event{EPOLLIN, {.u64 = id}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) < 0)
        return Error::from_errno(errno, "watch listening socket");
    listeners_[id] = std::make_unique<Listener>(Listener{std::move(socket), family == AF_UNIX, std::move(tls)});
    return {};
}

static std::string name_of(const Fd& socket, bool is_unix, const sockaddr_storage& address) {
    if (is_unix) {
        auto peer = os::peer_credentials(socket);
        return peer ? fmt::format("unix:uid={},pid={}", peer->uid, peer->pid) : "unix:";
    }
    char text[INET6_ADDRSTRLEN] = "";
    if (address.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        return fmt::format("tcp:[{}]:{}", text, ntohs(v6.sin6_port));
    }
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return fmt::format("tcp:{}:{}", text, ntohs(v4.sin_port));
}

void Pump::accept_from(Listener& listener) {
    // Bounded, so that a flood of connections cannot starve those that are there; the listener is level-triggered.
    for (int i = 0; i < 64; ++i) {
        {
            Lock lock(mutex_);
            if (!listening_) return;
        }
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        auto* any = reinterpret_cast<sockaddr*>(&address);
        int accepted = ::accept4(listener.socket.get(), any, &size, SOCK_CLOEXEC);
        if (accepted >= 0) {
            Fd socket(accepted);
            auto peer = name_of(socket, listener.is_unix, address);
            admit(std::move(socket), listener, std::move(peer));
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED) continue;
        if (errno == EAGAIN) return;
        // No descriptors or memory: make room, or wait until a connection closes.
        log::warning("http: {}", Error::from_errno(errno, "accept connection").message());
        if (evict_idle()) continue;
        Lock lock(mutex_);
        if (!connections_.empty()) set_listening(false);
        return;
    }
}

void Pump::admit(Fd socket, Listener& listener, std::string peer) {
    auto connection = std::make_shared<Connection>();
    if (listener.tls) {
        auto session = listener.tls->accept(socket);
        if (!session) return log::warning("http: {}", session.error().message());
        connection->channel = Channel(std::move(socket), session.take());
    } else {
        connection->channel = Channel(std::move(socket));
    }
    connection->peer = std::move(peer);
    connection->is_unix = listener.is_unix;
    bool full;
    {
        Lock lock(mutex_);
        connection->id = next_id_++;
        connections_.emplace(connection->id, connection);
        full = connections_.size() > limits_.max_connections;
    }
    if (full && !evict_idle()) {
        Lock lock(mutex_);
        set_listening(false);
    }
    // Most clients have sent their request by now: saves a round through epoll.
    read_head(connection);
}

// The connection that has been idle longest makes room for a new one.
bool Pump::evict_idle() {
    ConnectionPointer oldest;
    {
        Lock lock(mutex_);
        if (idle_.empty()) return false;
        oldest = connections_[idle_.front()];
    }
    close(oldest);
    return true;
}

void Pump::set_listening(bool listening) {
    if (listening_ == listening) return;
    listening_ = listening;
    for (auto& [id, listener] : listeners_) {
        epoll_event event{listening ? static_cast<std::uint32_t>(EPOLLIN) : 0U, {.u64 = id}};
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener->socket.get(), &event);
    }
}

}  // namespace pila::http
