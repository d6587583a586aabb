// SPDX-License-Identifier: Apache-2.0
#include "engine/log_reader.h"

#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"
#include "engine/engine.h"

namespace pila::engine {

static void append_utf8(std::string& out, unsigned code) {
    if (code < 0x80) {
        out += static_cast<char>(code);
    } else if (code < 0x800) {
        out += static_cast<char>(0xc0 | code >> 6);
        out += static_cast<char>(0x80 | (code & 0x3f));
    } else {
        out += static_cast<char>(0xe0 | code >> 12);
        out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
        out += static_cast<char>(0x80 | (code & 0x3f));
    }
}

// `text` starts behind the opening quote; on success it starts behind the closing one.
static bool take_json_string(std::string_view& text, std::string& out) {
    for (;;) {
        auto stop = text.find_first_of("\"\\");
        if (stop == std::string_view::npos) return false;
        out += text.substr(0, stop);
        bool end = text[stop] == '"';
        text.remove_prefix(stop + 1);
        if (end) return true;
        if (text.empty()) return false;
        char escape = text[0];
        text.remove_prefix(1);
        switch (escape) {
            case 'n': out += '\n'; break;
            case 't': out += '\t'; break;
            case 'r': out += '\r'; break;
            case 'b': out += '\b'; break;
            case 'f': out += '\f'; break;
            case 'u': {
                auto code = text.size() >= 4 ? parse_uint(text.substr(0, 4), 16) : std::nullopt;
                if (!code) return false;
                append_utf8(out, static_cast<unsigned>(*code));
                text.remove_prefix(4);
                break;
            }
            default: out += escape;
        }
    }
}

static bool take(std::string_view& text, std::string_view prefix) {
    if (!text.starts_with(prefix)) return false;
    text.remove_prefix(prefix.size());
    return true;
}

std::optional<LogLine> parse_log_line(std::string_view line) {
    LogLine parsed;
    if (!take(line, "{\"log\":\"") || !take_json_string(line, parsed.text)) return std::nullopt;
    if (take(line, ",\"stream\":\"stderr\""))
        parsed.is_error = true;
    else if (!take(line, ",\"stream\":\"stdout\""))
        return std::nullopt;
    if (!take(line, ",\"time\":\"")) return std::nullopt;
    auto quote = line.find('"');
    if (quote == std::string_view::npos) return std::nullopt;
    parsed.time = line.substr(0, quote);
    return parsed;
}

LogFormatter::LogFormatter(const LogOptions& options, bool terminal)
    : output_(options.output),
      error_(options.error),
      timestamps_(options.timestamps),
      details_(options.details),
      terminal_(terminal),
      since_(options.since),
      until_(options.until) {}

// Docker pads the fraction to nine digits here, so that lines align: the file keeps it short.
static std::string aligned_time(std::string_view time) {
    std::string padded(time.substr(0, time.find_last_of('Z')));
    auto dot = padded.find('.');
    if (dot == std::string::npos) dot = padded.size(), padded += '.';
    padded.resize(std::max(padded.size(), dot + 10), '0');
    return padded + "Z";
}

void LogFormatter::format(std::string_view line, std::string& out) {
    auto parsed = parse_log_line(line);
    if (!parsed) return;
    if (since_.nanoseconds != 0 || until_.nanoseconds != 0) {
        auto time = parse_rfc3339(parsed->time);
        if (!time || *time < since_) return;
        if (until_.nanoseconds != 0 && *time > until_) {
            past_until_ = true;
            return;
        }
    }
    if (parsed->is_error ? !error_ : !output_) return;
    auto stamp = timestamps_ ? aligned_time(parsed->time) + " " : std::string();
    auto size = parsed->text.size() + stamp.size() + (details_ ? 1 : 0);
    if (!terminal_) {
        out += parsed->is_error ? '\2' : '\1';
        out.append(3, '\0');
        for (int shift : {24, 16, 8, 0}) out += static_cast<char>(size >> shift & 0xff);
    }
    out += stamp;
    if (details_) out += ' ';
    out += parsed->text;
}

void LogFormatter::feed(std::string_view bytes, std::string& out) {
    while (!bytes.empty()) {
        auto newline = bytes.find('\n');
        if (newline == std::string_view::npos) {
            rest_ += bytes;
            return;
        }
        if (rest_.empty()) {
            format(bytes.substr(0, newline), out);
        } else {
            rest_ += bytes.substr(0, newline);
            format(rest_, out);
            rest_.clear();
        }
        bytes.remove_prefix(newline + 1);
    }
}

Result<off_t> tail_offset(FdView file, std::int64_t lines, std::int64_t& missing) {
    char block[64 * 1024];
    auto end = ::lseek(file.get(), 0, SEEK_END);
    if (end < 0) return Error::from_errno(errno, "find the end of the log");
    missing = 0;
    if (lines == 0) return end;
    // The newline that ends the last line does not count.
    std::int64_t found = -1;
    for (off_t at = end; at > 0;) {
        auto size = std::min<off_t>(at, sizeof block);
        at -= size;
        auto got = ::pread(file.get(), block, static_cast<std::size_t>(size), at);
        if (got != size) return Error::from_errno(got < 0 ? errno : EIO, "read the log");
        for (auto i = size; i-- > 0;)
            if (block[i] == '\n' && ++found == lines) return at + i + 1;
    }
    missing = lines - std::max<std::int64_t>(found + 1, 0);
    return off_t{0};
}

}  // namespace pila::engine
