// SPDX-License-Identifier: Apache-2.0
#pragma once
// The container's log file, in one of the forms of log_format.h, rotated by size: PATH is written to, PATH.1, PATH.2,
// ... are the older ones, the highest number the newest. A number is never used twice while its file is there, so that
// who reads or compresses a rotated file (the daemon) cannot take another for it.

#include <functional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/time.h"
#include "runtime/plan.h"

namespace pila::runtime {

class LogWriter {
public:
    // An empty path keeps nothing.
    static Result<LogWriter> open(LogPlan plan);

    enum class Stream : std::uint8_t { Output, Error };
    // Whole lines are written, the rest waits for its end. A failing disk loses log lines, never stops the container.
    void add(Stream stream, std::string_view bytes, WallTime time);
    void end(Stream stream, WallTime time);  // what waits is written as it is
    Result<void> reopen();
    // Called after each rotation that left a file to compress.
    void on_rotated(std::function<void()> told) { rotated_ = std::move(told); }

private:
    void append_line(Stream stream, std::string_view text, const std::string& stamp);
    void write_out();
    void rotate();
    Result<void> end_last_entry();

    LogPlan plan_;
    Fd file_;
    std::uint64_t size_ = 0;
    std::string ready_;       // formatted, not yet written
    std::string waiting_[2];  // the beginning of a line
    std::function<void()> rotated_;
};

}  // namespace pila::runtime
