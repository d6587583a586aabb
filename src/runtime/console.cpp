// SPDX-License-Identifier: Apache-2.0
#include "runtime/console_internal.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <cerrno>

#include <utility>

#include "os/file.h"
#include "os/spawn.h"

namespace pila::runtime {

Console::Console(Console&& other) noexcept
    : signals_(std::move(other.signals_)),
      saved_(other.saved_),
      raw_(std::exchange(other.raw_, false)),
      code_(other.code_) {}

Console::~Console() {
    if (raw_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &saved_);
}

Result<Console> Console::prepare(ProcessPlan& process) {
    Console console;
    sigset_t all;
    ::sigfillset(&all);
    for (int fault : {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGABRT, SIGTRAP, SIGSYS}) ::sigdelset(&all, fault);
    ::sigprocmask(SIG_BLOCK, &all, nullptr);
    console.signals_ = Fd(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!console.signals_) return Error::from_errno(errno, "take over signals");
    winsize size{};
    if (process.terminal && process.terminal_rows == 0 && ::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) {
        process.terminal_rows = size.ws_row;
        process.terminal_columns = size.ws_col;
    }
    return console;
}

Result<void> Console::make_raw() {
    if (::tcgetattr(STDIN_FILENO, &saved_) < 0) return {};  // input is no terminal: nothing to change
    termios raw = saved_;
    ::cfmakeraw(&raw);
    if (::tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0) return Error::from_errno(errno, "set the terminal to raw mode");
    raw_ = true;
    return {};
}

Result<bool> Console::handle_signal(FdView pidfd, FdView master) {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
        auto signal = static_cast<int>(info.ssi_signo);
        if (signal == SIGCHLD) {
            auto status = os::wait_child(pidfd, 0);
            if (!status && status.error().code() == Errc::Timeout) continue;
            code_ = TRY(std::move(status)).code;
            return true;
        }
        winsize size{};
        if (signal == SIGWINCH && master.get() >= 0) {
            if (::ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0) ::ioctl(master.get(), TIOCSWINSZ, &size);
        } else if (signal != SIGURG) {
            ignore(os::send_signal(pidfd, signal), "it may be ending");
        }
    }
    return false;
}

static void write_blocking(int fd, const char* bytes, ssize_t size) {
    // Whoever reads our output has gone: the container need not stop for that.
    if (size > 0)
        ignore(os::write_all(FdView(fd), std::string_view(bytes, static_cast<std::size_t>(size))), "see above");
}

Result<int> Console::serve(FdView pidfd, Fd master) {
    if (master) TRY(make_raw());
    char bytes[8192];
    bool input = master.valid(), ended = false;
    while (!ended || master) {
        pollfd waiting[3] = {
            {signals_.get(), POLLIN, 0}, {master.get(), POLLIN, 0}, {input ? STDIN_FILENO : -1, POLLIN, 0}};
        // Once the process has ended, only what its terminal still holds is of interest.
        int ready = ::poll(waiting, 3, ended ? 0 : -1);
        if (ready < 0 && errno != EINTR) return Error::from_errno(errno, "wait for the container");
        if (waiting[1].revents != 0) {
            auto got = ::read(master.get(), bytes, sizeof bytes);
            if (got <= 0) master.reset();
            write_blocking(STDOUT_FILENO, bytes, got);
        } else if (ended) {
            master.reset();
        }
        if (waiting[2].revents != 0 && master) {
            auto got = ::read(STDIN_FILENO, bytes, sizeof bytes);
            if (got <= 0) input = false;
            write_blocking(master.get(), bytes, got);
        }
        if (waiting[0].revents != 0 && !ended) ended = TRY(handle_signal(pidfd, master));
    }
    return code_;
}

}  // namespace pila::runtime
