// SPDX-License-Identifier: Apache-2.0
#include "http/tls_relay.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

namespace pila::http {

static constexpr std::size_t piece_bytes = 32U << 10, most_buffered = 64U << 10;

TlsRelay::~TlsRelay() {
    std::thread thread;
    {
        Lock lock(mutex_);
        stopping_ = true;
        if (!thread_.joinable()) return;
        thread = std::move(thread_);
        std::uint64_t one = 1;
        [[maybe_unused]] auto written = ::write(wakeup_.get(), &one, sizeof one);
    }
    thread.join();
}

Result<Fd> TlsRelay::begin(Channel peer, Side side) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return Error::from_errno(errno, "make a socket pair");
    Fd ours(ends[0]), theirs(ends[1]);
    Lock lock(mutex_);
    if (!wakeup_) {
        wakeup_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!wakeup_) return Error::from_errno(errno, "eventfd");
        thread_ = std::thread([this] { run(); });
    }
    Link link;
    link.peer = std::move(peer);
    link.side = side;
    link.plain = std::move(ours);
    new_.push_back(std::move(link));
    std::uint64_t one = 1;
    [[maybe_unused]] auto written = ::write(wakeup_.get(), &one, sizeof one);
    return theirs;
}

bool TlsRelay::take_new(std::list<Link>& links) {
    Lock lock(mutex_);
    for (auto& link : new_) links.push_back(std::move(link));
    new_.clear();
    return !stopping_;
}

void TlsRelay::run() {
    ::pthread_setname_np(::pthread_self(), "tls-relay");
    std::list<Link> links;
    std::vector<pollfd> waiting;
    int wakeup;
    {
        Lock lock(mutex_);
        wakeup = wakeup_.get();
    }
    while (take_new(links)) {
        for (auto link = links.begin(); link != links.end();) link = step(*link) ? std::next(link) : links.erase(link);
        waiting.assign(1, {wakeup, POLLIN, 0});
        for (const auto& link : links) {
            waiting.push_back({link.peer_gone ? -1 : link.peer.socket(), link.peer_events, 0});
            waiting.push_back({link.plain.get(), link.plain_events, 0});
        }
        ::poll(waiting.data(), waiting.size(), -1);
        std::uint64_t counter;
        [[maybe_unused]] auto got = ::read(wakeup, &counter, sizeof counter);
        std::size_t at = 1;
        for (auto link = links.begin(); link != links.end(); at += 2) {
            bool over = over_after(*link, waiting[at].revents, waiting[at + 1].revents);
            link = over ? links.erase(link) : std::next(link);
        }
    }
}

bool TlsRelay::over_after(Link& link, short peer_came, short plain_came) {
    if ((peer_came & (POLLHUP | POLLERR)) != 0) {
        if (link.side == Side::Server) return true;  // takes nothing any more
        link.peer_gone = true;
    }
    bool plain_gone = (plain_came & (POLLHUP | POLLERR)) != 0;
    // What the plain side wrote before it went is still to be sent.
    return plain_gone && link.plain_ended && link.to_peer.empty();
}

// As far as both sides go without waiting.
bool TlsRelay::step(Link& link) {
    for (bool progress = true; progress;) {
        progress = false;
        link.peer_events = link.plain_events = 0;
        if (!read_peer(link, progress)) return false;
        write_plain(link, progress);
        read_plain(link, progress);
        if (!write_peer(link, progress)) return false;
    }
    return !(link.plain_ended && link.peer_ended && link.to_peer.empty() && link.to_plain.empty());
}

bool TlsRelay::read_peer(Link& link, bool& progress) {
    if (link.peer_ended || link.to_plain.size() >= most_buffered) return true;
    auto* space = link.to_plain.prepare(piece_bytes);
    auto step = link.peer.try_read(space, piece_bytes);
    if (!step && link.side == Side::Server) return false;
    bool last = !step || step->end || (link.peer_gone && step->bytes == 0);
    if (step) link.to_plain.commit(step->bytes);
    if (last || step->bytes > 0) progress = true;
    if (step) link.peer_events |= step->wait;
    link.peer_ended = last;
    return true;
}

bool TlsRelay::write_peer(Link& link, bool& progress) {
    while (!link.to_peer.empty()) {
        auto bytes = link.to_peer.view();
        iovec part{const_cast<char*>(bytes.data()), bytes.size()};
        auto step = link.peer.try_write(&part, 1);
        if (!step && link.side == Side::Server) return false;
        if (!step) {  // what it said before it closed is still to be read
            link.to_peer.consume(bytes.size());
            link.peer_told = true;
            break;
        }
        link.to_peer.consume(step->bytes);
        if (step->bytes > 0) progress = true;
        if (step->wait) {
            link.peer_events |= step->wait;
            return true;
        }
    }
    if (link.plain_ended && !std::exchange(link.peer_told, true)) link.peer.shutdown_write();
    return true;
}

void TlsRelay::read_plain(Link& link, bool& progress) {
    if (link.plain_ended || link.to_peer.size() >= most_buffered) return;
    auto* space = link.to_peer.prepare(piece_bytes);
    auto got = ::recv(link.plain.get(), space, piece_bytes, MSG_DONTWAIT);
    if (got > 0) {
        link.to_peer.commit(static_cast<std::size_t>(got));
        progress = true;
    } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        link.plain_events |= POLLIN;
    } else {
        link.plain_ended = progress = true;
    }
}

void TlsRelay::write_plain(Link& link, bool& progress) {
    while (!link.to_plain.empty()) {
        auto bytes = link.to_plain.view();
        auto sent = link.plain_deaf ? static_cast<ssize_t>(bytes.size())
                                    : ::send(link.plain.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) {
            link.plain_events |= POLLOUT;
            return;
        }
        if (sent < 0) link.plain_deaf = true;  // who does not read any more may still write
        if (sent > 0) link.to_plain.consume(static_cast<std::size_t>(sent));
        progress = true;
    }
    if (link.peer_ended && !std::exchange(link.plain_told, true)) ::shutdown(link.plain.get(), SHUT_WR);
}

}  // namespace pila::http
