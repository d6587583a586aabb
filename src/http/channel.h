// SPDX-License-Identifier: Apache-2.0
#pragma once
// One connected byte stream, of the server or of a client: a non-blocking socket, with or without TLS over it. The
// try_ calls never wait; read() and write() wait with Patience. Threads: one reader and one writer, TLS only one.

#include <sys/uio.h>
#include <memory>
#include <stop_token>

#include "base/context.h"
#include "base/fd.h"

namespace pila::http {

// What a wait ends on, apart from progress.
struct Patience {
    std::chrono::milliseconds stall{0};  // 0: no limit between two steps
    std::optional<MonotonicTime> deadline;
    std::stop_token stop;  // shuts the socket down, so a wait costs no second descriptor
};

struct Step {
    std::size_t bytes = 0;
    short wait = 0;    // POLLIN or POLLOUT: nothing was possible before that
    bool end = false;  // the peer has finished sending
};

struct ClientCertificate;  // message.h

class TlsSession {
public:
    virtual ~TlsSession() = default;
    virtual Result<Step> try_read(char* buffer, std::size_t size) = 0;
    virtual Result<Step> try_write(const char* bytes, std::size_t size) = 0;
    virtual void goodbye() = 0;               // close_notify, best effort
    virtual bool has_buffered() const = 0;    // decrypted bytes that poll(2) does not know of
    virtual bool is_established() const = 0;  // the handshake is over; reading and writing drive it
    // Server, established: whose certificate the client showed; null with `is_bad` if it is not trusted.
    virtual std::shared_ptr<const ClientCertificate> client_certificate(bool& is_bad) = 0;
};

class Channel {
public:
    Channel() = default;
    explicit Channel(Fd socket) : socket_(std::move(socket)) {}
    Channel(Fd socket, std::unique_ptr<TlsSession> tls) : socket_(std::move(socket)), tls_(std::move(tls)) {}
    Channel(Channel&&) = default;
    Channel& operator=(Channel&&) = default;

    Result<Step> try_read(char* buffer, std::size_t size);
    Result<Step> try_write(const iovec* parts, int count);  // may write less than all

    Result<std::size_t> read(char* buffer, std::size_t size, const Patience& patience);  // 0: end
    // All parts; `parts` is used up.
    Result<void> write(iovec* parts, int count, const Patience& patience);
    Result<void> write(std::string_view bytes, const Patience& patience);
    // A part of a file, without its bytes coming by here. Not with TLS.
    Result<void> send_file(FdView file, std::uint64_t start, std::uint64_t count, const Patience& patience);
    // Timeout, or Unavailable when `patience.stop` fired. Returns the poll(2) events that came.
    Result<short> wait(short events, const Patience& patience);

    void close();
    void shutdown_write();
    Fd release_socket() { return std::move(socket_); }  // only without TLS
    int socket() const { return socket_.get(); }
    bool is_open() const { return socket_.valid(); }
    bool is_tls() const { return tls_ != nullptr; }
    bool has_buffered() const { return tls_ && tls_->has_buffered(); }
    std::shared_ptr<const ClientCertificate> client_certificate(bool& is_bad);
    bool is_established() const { return !tls_ || tls_->is_established(); }

private:
    Fd socket_;
    std::unique_ptr<TlsSession> tls_;
};

// Drops `done` bytes from the front of an array of parts; returns how many parts are used up.
int advance(iovec* parts, int count, std::size_t done);

}  // namespace pila::http
