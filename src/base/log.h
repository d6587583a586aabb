// SPDX-License-Identifier: Apache-2.0
#pragma once
// The daemon's own log: one line per message on standard error, text or JSON. Threads: any.

#include <cstdint>
#include <string_view>

#include <fmt/core.h>

namespace pila::log {

enum class Level : std::uint8_t { Debug, Info, Warning, Error };
enum class Format : std::uint8_t { Text, Json };

void configure(Level lowest, Format format);
bool enabled(Level level);
void write(Level level, std::string_view message);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::Debug)) write(Level::Debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::Info)) write(Level::Info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(Level::Warning)) write(Level::Warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
    write(Level::Error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace pila::log
