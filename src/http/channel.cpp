// SPDX-License-Identifier: Apache-2.0
#include "http/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <algorithm>
#include <cerrno>

#include "http/waiting.h"

namespace pila::http {

int advance(iovec* parts, int count, std::size_t done) {
    int used = 0;
    while (used < count && done >= parts[used].iov_len) done -= parts[used++].iov_len;
    if (used < count) {
        parts[used].iov_base = static_cast<char*>(parts[used].iov_base) + done;
        parts[used].iov_len -= done;
    }
    return used;
}

static Error gone(int os_errno, std::string_view doing) {
    return Error::from_errno(os_errno, doing).with_code(os_errno == ETIMEDOUT ? Errc::Timeout : Errc::Unavailable);
}

Result<Step> Channel::try_read(char* buffer, std::size_t size) {
    if (tls_) return tls_->try_read(buffer, size);
    for (;;) {
        auto got = ::recv(socket_.get(), buffer, size, MSG_DONTWAIT);
        if (got > 0) return Step{static_cast<std::size_t>(got)};
        if (got == 0) return Step{.end = true};
        if (errno == EAGAIN) return Step{.wait = POLLIN};
        if (errno != EINTR) return gone(errno, "read from connection");
    }
}

Result<Step> Channel::try_write(const iovec* parts, int count) {
    if (tls_) {
        while (count > 0 && parts->iov_len == 0) ++parts, --count;
        if (count == 0) return Step{};
        return tls_->try_write(static_cast<const char*>(parts->iov_base), parts->iov_len);
    }
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    for (;;) {
        auto sent = ::sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) return Step{static_cast<std::size_t>(sent)};
        if (errno == EAGAIN) return Step{.wait = POLLOUT};
        if (errno != EINTR) return gone(errno, "write to connection");
    }
}

Result<short> Channel::wait(short events, const Patience& patience) {
    using std::chrono::milliseconds;
    auto until = patience.deadline;
    if (patience.stall.count() > 0) {
        auto stalled = std::chrono::steady_clock::now() + patience.stall;
        until = until ? std::min(*until, stalled) : stalled;
    }
    // Shutting the socket down makes poll return at once; nobody uses the connection after a cancelled wait.
    auto cut = [socket = socket_.get()] { ::shutdown(socket, SHUT_RDWR); };
    std::stop_callback on_stop(patience.stop, cut);
    Waiting others_may_go_on;
    for (;;) {
        pollfd waiting{socket_.get(), events, 0};
        int ready = ::poll(&waiting, 1, Context{.deadline = until}.poll_timeout());
        if (patience.stop.stop_requested()) return Error(Errc::Unavailable, "cancelled");
        if (ready > 0) return waiting.revents;
        if (ready == 0) return Error(Errc::Timeout, "connection stalled");
        if (errno != EINTR) return Error::from_errno(errno, "wait for connection");
    }
}

Result<std::size_t> Channel::read(char* buffer, std::size_t size, const Patience& patience) {
    for (;;) {
        if (patience.stop.stop_requested()) return Error(Errc::Unavailable, "cancelled");
        auto step = TRY(try_read(buffer, size));
        if (step.bytes > 0 || step.end) return step.bytes;
        TRY(wait(step.wait, patience));
    }
}

Result<void> Channel::write(iovec* parts, int count, const Patience& patience) {
    while (count > 0) {
        if (patience.stop.stop_requested()) return Error(Errc::Unavailable, "cancelled");
        auto step = TRY(try_write(parts, count));
        int used = advance(parts, count, step.bytes);
        parts += used;
        count -= used;
        if (step.wait) TRY(wait(step.wait, patience));
    }
    return {};
}

Result<void> Channel::write(std::string_view bytes, const Patience& patience) {
    iovec part{const_cast<char*>(bytes.data()), bytes.size()};
    return write(&part, bytes.empty() ? 0 : 1, patience);
}

// sendfile(2) has no MSG_DONTWAIT: the socket itself is non-blocking meanwhile.
Result<void> Channel::send_file(FdView file, std::uint64_t start, std::uint64_t count, const Patience& patience) {
    const int mode = ::fcntl(socket_.get(), F_GETFL);
    if (mode < 0 || ::fcntl(socket_.get(), F_SETFL, mode | O_NONBLOCK) < 0)
        return Error::from_errno(errno, "mode of connection");
    auto sent = [&]() -> Result<void> {
        auto offset = static_cast<off_t>(start);
        while (count > 0) {
            if (patience.stop.stop_requested()) return Error(Errc::Unavailable, "cancelled");
            constexpr std::uint64_t most = 4ULL << 20;  // a stop is noticed between two of these
            auto step = ::sendfile(socket_.get(), file.get(), &offset, std::min(count, most));
            if (step > 0) count -= static_cast<std::uint64_t>(step);
            if (step == 0) return Error(Errc::Internal, "file to send is shorter than it was");
            if (step < 0 && errno == EAGAIN)
                TRY(wait(POLLOUT, patience));
            else if (step < 0 && errno != EINTR)
                return gone(errno, "send file to connection");
        }
        return {};
    }();
    ::fcntl(socket_.get(), F_SETFL, mode);
    return sent;
}

std::shared_ptr<const ClientCertificate> Channel::client_certificate(bool& is_bad) {
    is_bad = false;
    return tls_ ? tls_->client_certificate(is_bad) : nullptr;
}

void Channel::close() {
    if (tls_) tls_->goodbye();
    tls_.reset();
    socket_.reset();
}

void Channel::shutdown_write() {
    if (tls_) tls_->goodbye();
    ::shutdown(socket_.get(), SHUT_WR);
}

}  // namespace pila::http
