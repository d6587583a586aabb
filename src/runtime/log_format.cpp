// SPDX-License-Identifier: Apache-2.0
#include "runtime/log_format.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "os/file.h"

namespace pila::runtime {

namespace {

// Bytes that stand for themselves in a JSON string.
constexpr std::array<bool, 256> plain_bytes() {
    std::array<bool, 256> plain{};
    for (int c = 0x20; c < 0x80; ++c) plain[c] = c != '"' && c != '\\';
    return plain;
}
constexpr auto plain = plain_bytes();

void append_escaped(std::string& out, std::string_view text) {
    while (!text.empty()) {
        std::size_t run = 0;
        while (run < text.size() && plain[static_cast<unsigned char>(text[run])]) ++run;
        out.append(text.data(), run);
        text.remove_prefix(run);
        if (text.empty()) return;
        if (text[0] == '\n') {
            out += "\\n";
            text.remove_prefix(1);
            continue;
        }
        // The rare rest, up to the next byte that needs no thought.
        std::size_t rest = 1;
        while (rest < text.size() && !plain[static_cast<unsigned char>(text[rest])] && text[rest] != '\n') ++rest;
        auto quoted = json_quote(text.substr(0, rest));
        out.append(quoted, 1, quoted.size() - 2);
        text.remove_prefix(rest);
    }
}

constexpr std::size_t time_digits = 11, length_digits = 3;
constexpr std::size_t local_header = 1 + time_digits + length_digits;

void append_digits(std::string& out, std::uint64_t value, std::size_t digits) {
    for (auto shift = static_cast<unsigned>(digits * 6); shift > 0;) {
        shift -= 6;
        out += static_cast<char>('0' + (value >> shift & 63));
    }
}

std::optional<std::uint64_t> parse_digits(std::string_view text) {
    std::uint64_t value = 0;
    for (char c : text) {
        auto digit = static_cast<unsigned char>(c) - static_cast<unsigned>('0');
        if (digit > 63) return std::nullopt;
        value = value << 6 | digit;
    }
    return value;
}

void append_json(std::string& out, std::string_view text, bool error_stream, std::string_view stamp,
                 std::string_view attributes) {
    out += "{\"log\":\"";
    append_escaped(out, text);
    out += error_stream ? "\",\"stream\":\"stderr\"," : "\",\"stream\":\"stdout\",";
    out += attributes;
    out += "\"time\":\"";
    out += stamp;
    out += "\"}\n";
}

void append_local(std::string& out, std::string_view text, bool error_stream, std::string_view stamp) {
    bool whole = text.ends_with('\n');
    if (whole) text.remove_suffix(1);
    out += error_stream ? (whole ? 'e' : 'E') : (whole ? 'o' : 'O');
    out += stamp;
    append_digits(out, text.size(), length_digits);
    out += text;
    out += '\n';
}

}  // namespace

std::string log_stamp(LogFormat format, WallTime time) {
    if (format == LogFormat::Json) return rfc3339_nano(time);
    std::string stamp;
    append_digits(stamp, static_cast<std::uint64_t>(time.nanoseconds), time_digits);
    return stamp;
}

void append_log_entry(LogFormat format, std::string& out, std::string_view text, bool error_stream,
                      std::string_view stamp, std::string_view attributes) {
    if (format == LogFormat::Json)
        append_json(out, text, error_stream, stamp, attributes);
    else
        append_local(out, text, error_stream, stamp);
}

std::optional<LocalEntry> parse_local_entry(std::string_view line) {
    if (line.size() < local_header) return std::nullopt;
    LocalEntry entry;
    switch (line[0]) {
        case 'o': break;
        case 'e': entry.error_stream = true; break;
        case 'O': entry.whole = false; break;
        case 'E': entry.error_stream = true, entry.whole = false; break;
        default: return std::nullopt;
    }
    auto time = parse_digits(line.substr(1, time_digits));
    auto length = parse_digits(line.substr(1 + time_digits, length_digits));
    if (!time || !length || *length != line.size() - local_header) return std::nullopt;
    entry.time = WallTime{static_cast<std::int64_t>(*time)};
    entry.text = line.substr(local_header);
    return entry;
}

std::vector<RotatedLog> rotated_logs(const std::string& path) {
    std::vector<RotatedLog> found;
    auto names = os::list_directory(path.substr(0, path.rfind('/')));
    if (!names) return found;
    auto prefix = path.substr(path.rfind('/') + 1) + ".";
    for (std::string_view name : *names) {
        if (!name.starts_with(prefix)) continue;
        name.remove_prefix(prefix.size());
        bool compressed = name.ends_with(".gz");
        if (compressed) name.remove_suffix(3);
        if (auto number = parse_uint(name)) found.push_back({*number, compressed});
    }
    // Both forms for a moment while it is compressed; the plain one is read.
    std::sort(found.begin(), found.end(), [](auto& one, auto& other) {
        return std::pair(one.number, one.compressed) < std::pair(other.number, other.compressed);
    });
    found.erase(
        std::unique(found.begin(), found.end(), [](auto& one, auto& other) { return one.number == other.number; }),
        found.end());
    return found;
}

}  // namespace pila::runtime
