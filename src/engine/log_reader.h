// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads what a shim logged (runtime/log_format.h) and frames it for clients.

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "runtime/log_format.h"

namespace pila::engine {

struct LogOptions;
using runtime::LogFormat;

struct LogLine {
    std::string text;
    bool is_error = false;
    std::string_view stamp;      // json: RFC 3339, into the line that was parsed
    std::optional<WallTime> at;  // local
    std::string attributes;      // json: "a=b,c=d", escaped as in a query

    std::optional<WallTime> time() const;
    // Docker pads the fraction to nine digits, so that lines align; files keep it short.
    std::string aligned_time() const;
};
// nullopt: not a line of this format (cut off by a crash, edited by hand). `line` without its newline.
std::optional<LogLine> parse_log_line(LogFormat format, std::string_view line);

// Filters and frames; hands on in large pieces.
class LogFormatter {
public:
    LogFormatter(const LogOptions& options, bool terminal, LogFormat format);
    // Takes whole lines from `bytes`, appends the client's form of them to `out`; what is left of a last incomplete
    // line stays inside for the next call.
    void feed(std::string_view bytes, std::string& out);
    // The next bytes are of another file.
    void next_file() { rest_.clear(); }
    bool past_until() const { return past_until_; }

private:
    void format(std::string_view line, std::string& out);
    bool output_, error_, timestamps_, details_, terminal_;
    LogFormat format_;
    WallTime since_, until_;
    bool past_until_ = false;
    std::string rest_;
};

}  // namespace pila::engine
