// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads what a shim logged: json-file lines {"log":"...\n","stream":"stdout","time":"..."}, and frames them for clients.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/time.h"

namespace pila::engine {

struct LogOptions;

struct LogLine {
    std::string text;
    bool is_error = false;
    std::string_view time;  // RFC 3339, into the line that was parsed
};
// nullopt: not a line of this format (cut off by a crash, edited by hand). `line` without its newline.
std::optional<LogLine> parse_log_line(std::string_view line);

// Filters and frames; hands on in large pieces.
class LogFormatter {
public:
    LogFormatter(const LogOptions& options, bool terminal);
    // Takes whole lines from `bytes`, appends the client's form of them to `out`; what is left of a last incomplete line
    // stays inside for the next call.
    void feed(std::string_view bytes, std::string& out);
    bool past_until() const { return past_until_; }

private:
    void format(std::string_view line, std::string& out);
    bool output_, error_, timestamps_, details_, terminal_;
    WallTime since_, until_;
    bool past_until_ = false;
    std::string rest_;
};

// Offset in `file` where its last `lines` lines begin; `missing` is set to how many it had too few.
Result<off_t> tail_offset(FdView file, std::int64_t lines, std::int64_t& missing);

}  // namespace pila::engine
