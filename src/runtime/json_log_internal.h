// SPDX-License-Identifier: Apache-2.0
#pragma once
// The container's log in Docker's json-file format, one object a line, rotated by size.

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/time.h"
#include "runtime/plan.h"

namespace pila::runtime {

class JsonLog {
public:
    // An empty path keeps nothing.
    static Result<JsonLog> open(LogPlan plan);

    enum class Stream : std::uint8_t { Output, Error };
    // Whole lines are written, the rest waits for its end. A failing disk loses log lines, never stops the container.
    void add(Stream stream, std::string_view bytes, WallTime time);
    void end(Stream stream, WallTime time);  // what waits is written as it is
    Result<void> reopen();

private:
    void append_line(Stream stream, std::string_view text, const std::string& time);
    void write_out();
    void rotate();

    LogPlan plan_;
    Fd file_;
    std::uint64_t size_ = 0;
    std::string ready_;       // formatted, not yet written
    std::string waiting_[2];  // the beginning of a line
};

// `{"log":"...","stream":"stdout","time":"..."}\n`, as Docker writes it.
void append_log_entry(std::string& out, std::string_view text, bool error_stream, std::string_view time);

// Docker cuts longer lines into pieces of this size.
constexpr std::size_t longest_log_piece = 16U << 10;

}  // namespace pila::runtime
