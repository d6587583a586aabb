// SPDX-License-Identifier: Apache-2.0
#pragma once
// The two forms of a container's log file, the seam between who writes it (LogWriter, in the shim) and who reads it
// (engine/log_reader). Both are one entry a line, so that tailing, following and rotating need not know which it is.
//
//   json   Docker's json-file: {"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.5Z"}
//   local  ours, of the driver `local`: KIND, TIME (11 digits), LENGTH (3 digits), the text as it is.
//          KIND: 'o' output, 'e' error; capital when the text had no newline of its own.
//          TIME: nanoseconds since 1970; digits are base 64, most significant first, each '0' + value.
//          LENGTH of the text: an entry that a crash or a full disk cut off does not fit and is skipped.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace pila::runtime {

enum class LogFormat : std::uint8_t { Json, Local };

// Longer lines are cut into pieces of this size, as Docker does.
constexpr std::size_t longest_log_piece = 16U << 10;

// An entry's time as the format has it; the same for all lines that were read at once.
std::string log_stamp(LogFormat format, WallTime time);
// `attributes`: of json-file alone, `"attrs":{...},` or nothing.
void append_log_entry(LogFormat format, std::string& out, std::string_view text, bool error_stream,
                      std::string_view stamp, std::string_view attributes = {});

struct LocalEntry {
    WallTime time;
    std::string_view text;  // without the newline that `whole` stands for
    bool error_stream = false, whole = true;
};
// `line` without its newline. nullopt: not such an entry, or a part of one.
std::optional<LocalEntry> parse_local_entry(std::string_view line);

// What was rotated away from PATH: PATH.NUMBER, ".gz" behind it once it is compressed.
struct RotatedLog {
    std::uint64_t number = 0;
    bool compressed = false;
};
// Oldest first, each number once.
std::vector<RotatedLog> rotated_logs(const std::string& path);

}  // namespace pila::runtime
