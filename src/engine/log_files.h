// SPDX-License-Identifier: Apache-2.0
#pragma once
// A container's log on disk: PATH, and what the shim rotated away from it (runtime/log_writer): PATH.1, PATH.2, ...,
// the highest number the newest, ".gz" behind it once it is compressed.

#include <cstdint>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/time.h"
#include "runtime/log_format.h"

namespace pila::engine {

using runtime::RotatedLog, runtime::rotated_logs;
std::string rotated_path(const std::string& path, const RotatedLog& log);

struct LogPart {
    Fd file;                   // positioned where reading begins
    std::uint64_t number = 0;  // that it has, or will have when it is rotated
};

// The log's parts, oldest first. `tail` >= 0: only the last so many lines; files that were last written before `since`
// are left out. Empty: nothing was logged yet.
Result<std::vector<LogPart>> open_log(const std::string& path, std::int64_t tail, WallTime since);

// What comes after part `number`. An invalid file: there is nothing yet.
Result<LogPart> open_next_log(const std::string& path, std::uint64_t number);

// Offset in `file` where its last `lines` lines begin; `missing` is set to how many it had too few.
Result<off_t> tail_offset(FdView file, std::int64_t lines, std::int64_t& missing);

}  // namespace pila::engine
