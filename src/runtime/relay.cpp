// SPDX-License-Identifier: Apache-2.0
#include "runtime/relay_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "base/text.h"

namespace pila::runtime {

static constexpr std::size_t buffer_bytes = 32U << 10;
static constexpr std::size_t most_connections = 1024;

Result<Relay::Target> Relay::parse_target(const RelayPlan& plan) {
    Target target;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&target.address);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&target.address);
    if (::inet_pton(AF_INET, plan.address.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(plan.port);
        target.size = sizeof *v4;
    } else if (::inet_pton(AF_INET6, plan.address.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(plan.port);
        target.size = sizeof *v6;
    } else {
        return Error(Errc::Invalid, "relay: not a numeric address: " + printable(plan.address));
    }
    return target;
}

Result<std::unique_ptr<Relay>> Relay::create(Loop& loop, const RelayPlan& plan, Fd listener) {
    auto target = TRY(parse_target(plan));
    std::unique_ptr<Relay> relay(new Relay(loop, std::move(listener), target));
    loop.watch(relay->listener_, EPOLLIN, [self = relay.get()](std::uint32_t) { self->accept_one(); });
    return relay;
}

void Relay::stop_listening() {
    loop_.remove(listener_);
    listener_.reset();
}

Relay::~Relay() {
    if (listener_) loop_.remove(listener_);
    while (!connections_.empty()) drop(connections_.front());
}

void Relay::accept_one() {
    Fd outside(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!outside) {
        // Out of descriptors: the backlog holds the client; without a pause we would spin.
        if (errno == EMFILE || errno == ENFILE) loop_.change(listener_, 0);
        return;
    }
    auto connection = std::make_shared<Connection>();
    connection->inside = Fd(::socket(target_.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!connection->inside) return;
    int on = 1;
    ::setsockopt(connection->inside.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::setsockopt(outside.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    connection->outside = std::move(outside);
    if (::connect(connection->inside.get(), reinterpret_cast<sockaddr*>(&target_.address), target_.size) < 0 &&
        errno != EINPROGRESS)
        return;
    connections_.push_back(connection);
    loop_.watch(connection->inside, EPOLLOUT,
                [this, connection](std::uint32_t events) { advance(connection, events); });
    loop_.watch(connection->outside, 0, [this, connection](std::uint32_t) { advance(connection, 0); });
    if (connections_.size() >= most_connections) loop_.change(listener_, 0);
}

bool Relay::move(FdView from, FdView to, Direction& direction) {
    for (int rounds = 0; rounds < 4; ++rounds) {
        while (!direction.buffer.empty()) {
            auto put = ::send(to.get(), direction.buffer.data(), direction.buffer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
            if (put < 0 && errno == EINTR) continue;
            if (put < 0) return errno == EAGAIN;
            direction.buffer.erase(0, static_cast<std::size_t>(put));
        }
        if (direction.ended) return true;
        static char bytes[buffer_bytes];
        auto got = ::recv(from.get(), bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno == EAGAIN;
        if (got == 0) {
            // At once, whichever round it is: nothing more will come to wake us for it.
            direction.ended = true;
            ::shutdown(to.get(), SHUT_WR);
            return true;
        }
        direction.buffer.append(bytes, static_cast<std::size_t>(got));
    }
    return true;
}

void Relay::advance(const std::shared_ptr<Connection>& connection, std::uint32_t inside_events) {
    auto keep = connection;
    if (!keep->connected) {
        if (inside_events == 0) return;
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(keep->inside.get(), SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) return drop(keep);
        keep->connected = true;
    }
    if (!move(keep->outside, keep->inside, keep->inward) || !move(keep->inside, keep->outside, keep->outward))
        return drop(keep);
    if (keep->inward.ended && keep->outward.ended) return drop(keep);
    watch(keep);
}

void Relay::watch(const std::shared_ptr<Connection>& connection) {
    auto events = [](const Direction& reading, const Direction& writing) -> std::uint32_t {
        std::uint32_t wanted = 0;
        if (!reading.ended && reading.buffer.empty()) wanted |= EPOLLIN;
        if (!writing.buffer.empty()) wanted |= EPOLLOUT;
        return wanted;
    };
    loop_.change(connection->outside, events(connection->inward, connection->outward));
    loop_.change(connection->inside, events(connection->outward, connection->inward));
}

void Relay::drop(const std::shared_ptr<Connection>& connection) {
    auto keep = connection;
    loop_.remove(keep->outside);
    loop_.remove(keep->inside);
    keep->outside.reset();
    keep->inside.reset();
    connections_.remove(keep);
    if (listener_) loop_.change(listener_, EPOLLIN);
}

}  // namespace pila::runtime
