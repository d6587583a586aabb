// SPDX-License-Identifier: Apache-2.0
#pragma once
// Carries this process's standard streams, signals and terminal size to and from a process in a container, on one
// poll(2) loop. Threads: the caller's.

#include <functional>
#include <string>

#include "base/result.h"
#include "http/message.h"

namespace pila::cli {

// Signals that would end or stop us, to be read from a descriptor instead while this lives. Create it before any
// thread.
class SignalSource {
public:
    enum class Which : unsigned char { All, WindowOnly };
    static Result<SignalSource> create(Which which);
    FdView descriptor() const { return fd_; }
    int next() const;  // 0: none waits

private:
    explicit SignalSource(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

struct StreamPlan {
    bool terminal = false;  // the process has one: no framing, detach keys
    bool input = false, output = true, errors = true;
    std::string detach_keys;        // bytes
    std::function<void()> resized;  // SIGWINCH
    std::function<void(int)> signalled;
};

enum class StreamEnd : unsigned char { Closed, Detached };

// Until the daemon closes the connection or the detach keys were typed. The end of our input closes its half only.
Result<StreamEnd> carry_streams(http::Hijacked& connection, const StreamPlan& plan, const SignalSource* signals);

std::string signal_name(int signal);  // "TERM"

// Copies a response body to standard output and error; takes frames apart unless `raw`.
Result<void> copy_to_output(http::BodyReader& body, bool raw);
Result<void> write_fully(int descriptor, std::string_view bytes);

}  // namespace pila::cli
