// SPDX-License-Identifier: Apache-2.0
#include "cli/streams.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <csignal>

#include "cli/demultiplexer.h"
#include "cli/detach_keys.h"
#include "os/file.h"

namespace pila::cli {

namespace {

constexpr std::pair<int, std::string_view> forwarded[] = {
    {SIGHUP, "HUP"},   {SIGINT, "INT"},   {SIGQUIT, "QUIT"}, {SIGTERM, "TERM"},    {SIGUSR1, "USR1"},
    {SIGUSR2, "USR2"}, {SIGALRM, "ALRM"}, {SIGCONT, "CONT"}, {SIGTSTP, "TSTP"},    {SIGTTIN, "TTIN"},
    {SIGTTOU, "TTOU"}, {SIGIO, "IO"},     {SIGPWR, "PWR"},   {SIGVTALRM, "VTALRM"}};

class Carrier {
public:
    Carrier(http::Hijacked& connection, const StreamPlan& plan, const SignalSource* signals)
        : connection_(connection),
          plan_(plan),
          signals_(signals),
          detach_(plan.terminal ? plan.detach_keys : std::string()),
          frames_([this](Demultiplexer::Stream stream, std::string_view bytes) { return show(stream, bytes); }),
          reads_input_(plan.input) {}

    Result<StreamEnd> run() {
        int socket = connection_.socket.get();
        ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
        if (!plan_.input) ::shutdown(socket, SHUT_WR);
        TRY(received(connection_.already_read));
        for (;;) {
            bool wants_input = reads_input_ && pending_.empty();
            short socket_events = static_cast<short>(POLLIN | (pending_.empty() ? 0 : POLLOUT));
            pollfd polled[3] = {{socket, socket_events, 0},
                                {wants_input ? STDIN_FILENO : -1, POLLIN, 0},
                                {signals_ ? signals_->descriptor().get() : -1, POLLIN, 0}};
            if (::poll(polled, 3, -1) < 0) {
                if (errno == EINTR) continue;
                return Error::from_errno(errno, "waiting for the container's streams");
            }
            if (polled[2].revents) take_signals();
            if (polled[1].revents) TRY(read_input());
            if (detached_) return StreamEnd::Detached;
            if (!pending_.empty()) TRY(send_pending());
            if (polled[0].revents & (POLLIN | POLLHUP | POLLERR)) {
                bool open = TRY(read_socket());
                if (!open) return StreamEnd::Closed;
            }
        }
    }

private:
    void take_signals() {
        while (int signal = signals_->next()) {
            if (signal == SIGWINCH) {
                if (plan_.resized) plan_.resized();
            } else if (plan_.signalled) {
                plan_.signalled(signal);
            }
        }
    }

    Result<void> read_input() {
        std::array<char, 32 << 10> buffer;
        auto got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) return {};
        if (got > 0) {
            detached_ = detach_.feed(std::string_view(buffer.data(), static_cast<std::size_t>(got)), pending_);
            return {};
        }
        reads_input_ = false;  // a terminal that is gone reads as EIO
        ends_input_ = true;
        if (pending_.empty()) ::shutdown(connection_.socket.get(), SHUT_WR);
        return {};
    }

    Result<void> send_pending() {
        while (sent_ < pending_.size()) {
            auto put = ::send(connection_.socket.get(), pending_.data() + sent_, pending_.size() - sent_, MSG_NOSIGNAL);
            if (put < 0 && errno == EINTR) continue;
            if (put < 0 && errno == EAGAIN) return {};
            if (put < 0) {  // the process does not read any more; what it still says is on its way
                reads_input_ = false;
                break;
            }
            sent_ += static_cast<std::size_t>(put);
        }
        pending_.clear();
        sent_ = 0;
        if (ends_input_) ::shutdown(connection_.socket.get(), SHUT_WR);
        return {};
    }

    Result<bool> read_socket() {
        std::array<char, 32 << 10> buffer;
        auto got = ::recv(connection_.socket.get(), buffer.data(), buffer.size(), 0);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) return true;
        if (got < 0 && errno != ECONNRESET) return Error::from_errno(errno, "reading the container's output");
        if (got <= 0) return false;
        TRY(received(std::string_view(buffer.data(), static_cast<std::size_t>(got))));
        return true;
    }

    Result<void> received(std::string_view bytes) {
        if (bytes.empty()) return {};
        return plan_.terminal ? write_fully(STDOUT_FILENO, bytes) : frames_.feed(bytes);
    }

    Result<void> show(Demultiplexer::Stream stream, std::string_view bytes) {
        bool error = stream == Demultiplexer::Stream::Error;
        if (!(error ? plan_.errors : plan_.output)) return {};
        return write_fully(error ? STDERR_FILENO : STDOUT_FILENO, bytes);
    }

    http::Hijacked& connection_;
    const StreamPlan& plan_;
    const SignalSource* signals_;
    DetachWatch detach_;
    Demultiplexer frames_;
    std::string pending_;
    std::size_t sent_ = 0;
    bool reads_input_, ends_input_ = false, detached_ = false;
};

}  // namespace

Result<SignalSource> SignalSource::create(Which which) {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGWINCH);
    if (which == Which::All)
        for (const auto& [number, name] : forwarded) ::sigaddset(&set, number);
    if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return Error::from_errno(errno, "blocking signals");
    Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd) return Error::from_errno(errno, "signalfd");
    return SignalSource(std::move(fd));
}

int SignalSource::next() const {
    signalfd_siginfo info{};
    return ::read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

std::string signal_name(int signal) {
    for (const auto& [number, name] : forwarded)
        if (number == signal) return std::string(name);
    return std::to_string(signal);
}

Result<StreamEnd> carry_streams(http::Hijacked& connection, const StreamPlan& plan, const SignalSource* signals) {
    return Carrier(connection, plan, signals).run();
}

Result<void> write_fully(int descriptor, std::string_view bytes) {
    while (!bytes.empty()) {
        auto put = ::write(descriptor, bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0 && errno == EAGAIN) {
            pollfd waiting{descriptor, POLLOUT, 0};
            ::poll(&waiting, 1, -1);
            continue;
        }
        if (put < 0)
            return Error::from_errno(errno, descriptor == STDERR_FILENO ? "write /dev/stderr" : "write /dev/stdout");
        bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return {};
}

Result<void> copy_to_output(http::BodyReader& body, bool raw) {
    Demultiplexer frames([](Demultiplexer::Stream stream, std::string_view bytes) {
        return write_fully(stream == Demultiplexer::Stream::Error ? STDERR_FILENO : STDOUT_FILENO, bytes);
    });
    std::array<char, 32 << 10> buffer;
    for (;;) {
        auto got = TRY(body.read(buffer.data(), buffer.size()));
        if (got == 0) return {};
        std::string_view bytes(buffer.data(), got);
        TRY(raw ? write_fully(STDOUT_FILENO, bytes) : frames.feed(bytes));
    }
}

}  // namespace pila::cli
