// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <unistd.h>
#include <atomic>
#include <string>

#include "base/text.h"
#include "base/time.h"

namespace pila::log {

static std::atomic<Level> lowest_level{Level::Info};
static std::atomic<Format> line_format{Format::Text};

void configure(Level lowest, Format format) {
    lowest_level = lowest;
    line_format = format;
}

bool enabled(Level level) { return level >= lowest_level.load(std::memory_order_relaxed); }

void write(Level level, std::string_view message) {
    static constexpr const char* names[] = {"debug", "info", "warning", "error"};
    const char* name = names[static_cast<int>(level)];
    std::string line;
    if (line_format == Format::Json) {
        line = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"msg\":{}}}\n", rfc3339_nano(now_wall()), name,
                           json_quote(message));
    } else {
        line = fmt::format("{} {:<7} {}\n", rfc3339_nano(now_wall()), name, printable(message));
    }
    // One write(2) per line: lines of different threads do not mix. A failing standard error has nowhere to complain
    // to.
    [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace pila::log
