// SPDX-License-Identifier: Apache-2.0
#pragma once
// The command line's own terminal and signals, on behalf of a container in the foreground.

#include <termios.h>
#include <csignal>

#include "base/fd.h"
#include "runtime/plan.h"

namespace pila::runtime {

class Console {
public:
    // Takes over the signals. Fills in the terminal's size if the process is to have one and does not say.
    static Result<Console> prepare(ProcessPlan& process);
    Console(Console&& other) noexcept;
    ~Console();

    // Copies between our terminal and the container's (`master`, if any), passes signals on; the exit code at the end.
    Result<int> serve(FdView pidfd, Fd master);

private:
    Console() = default;
    Result<void> make_raw();
    Result<bool> handle_signal(FdView pidfd, FdView master);  // true: the process has ended

    Fd signals_;
    termios saved_{};
    bool raw_ = false;
    int code_ = 0;
};

}  // namespace pila::runtime
