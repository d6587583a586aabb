// SPDX-License-Identifier: Apache-2.0
// Files of the log driver `local`: whatever stands in them, an entry that is accepted is as long as it says and gives
// what was written when it is written again.
#include <cstdint>
#include <cstdlib>

#include "engine/engine.h"
#include "engine/log_reader.h"

using namespace pila;

static void check_line(std::string_view line) {
    auto entry = runtime::parse_local_entry(line);
    if (!entry) return;
    std::string text(entry->text), again;
    if (entry->whole) text += '\n';
    runtime::append_log_entry(runtime::LogFormat::Local, again, text, entry->error_stream,
                              runtime::log_stamp(runtime::LogFormat::Local, entry->time));
    auto back = runtime::parse_local_entry(std::string_view(again).substr(0, again.size() - 1));
    if (!back || back->text != entry->text || back->time != entry->time || back->whole != entry->whole) std::abort();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view text(reinterpret_cast<const char*>(data), size);
    for (auto rest = text; !rest.empty();) {
        auto newline = rest.find('\n');
        check_line(rest.substr(0, newline));
        rest = newline == std::string_view::npos ? std::string_view() : rest.substr(newline + 1);
    }
    engine::LogOptions options;
    options.timestamps = size % 2 == 1;
    options.since = WallTime{static_cast<std::int64_t>(size % 7)};
    engine::LogFormatter formatter(options, size % 3 == 0, engine::LogFormat::Local);
    std::string out;
    formatter.feed(text.substr(0, size / 2), out);
    formatter.feed(text.substr(size / 2), out);
    return 0;
}
