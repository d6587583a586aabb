// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <cerrno>

namespace pila::cli {

struct RawMode::Saved {
    int descriptor;
    termios settings;
};

RawMode::RawMode(std::unique_ptr<Saved> saved) : saved_(std::move(saved)) {}
RawMode::RawMode(RawMode&&) noexcept = default;

RawMode::~RawMode() {
    if (saved_) ::tcsetattr(saved_->descriptor, TCSANOW, &saved_->settings);
}

bool is_terminal(int descriptor) { return ::isatty(descriptor) == 1; }

std::optional<TerminalSize> terminal_size(int descriptor) {
    winsize size{};
    if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0) return std::nullopt;
    return TerminalSize{size.ws_row, size.ws_col};
}

Result<RawMode> RawMode::enter(int descriptor) {
    auto saved = std::make_unique<Saved>();
    saved->descriptor = descriptor;
    if (::tcgetattr(descriptor, &saved->settings) != 0)
        return Error::from_errno(errno, "reading the terminal's settings");
    termios raw = saved->settings;
    ::cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (::tcsetattr(descriptor, TCSANOW, &raw) != 0)
        return Error::from_errno(errno, "setting the terminal to raw mode");
    return RawMode(std::move(saved));
}

}  // namespace pila::cli
