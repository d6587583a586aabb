// SPDX-License-Identifier: Apache-2.0
#include "engine/log_reader.h"

#include <algorithm>

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

// As in the query of a URL: what dockerd shows with --details.
static void append_query_escaped(std::string& out, std::string_view text) {
    for (char c : text) {
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     std::string_view("-_.~").find(c) != std::string_view::npos;
        if (plain) {
            out += c;
        } else if (c == ' ') {
            out += '+';
        } else {
            constexpr auto digits = "0123456789ABCDEF";
            auto byte = static_cast<unsigned char>(c);
            out += {'%', digits[byte >> 4], digits[byte & 15]};
        }
    }
}

// `line` starts behind the opening brace.
static bool take_attributes(std::string_view& line, std::string& out) {
    std::string text;
    while (take(line, "\"")) {
        if (!out.empty()) out += ',';
        text.clear();
        if (!take_json_string(line, text) || !take(line, ":\"")) return false;
        append_query_escaped(out, text);
        out += '=';
        text.clear();
        if (!take_json_string(line, text)) return false;
        append_query_escaped(out, text);
        if (!take(line, ",")) break;
    }
    return take(line, "}");
}

static std::optional<LogLine> parse_json_line(std::string_view line) {
    LogLine parsed;
    if (!take(line, "{\"log\":\"") || !take_json_string(line, parsed.text)) return std::nullopt;
    if (take(line, ",\"stream\":\"stderr\""))
        parsed.is_error = true;
    else if (!take(line, ",\"stream\":\"stdout\""))
        return std::nullopt;
    if (take(line, ",\"attrs\":{") && !take_attributes(line, parsed.attributes)) return std::nullopt;
    if (!take(line, ",\"time\":\"")) return std::nullopt;
    auto quote = line.find('"');
    if (quote == std::string_view::npos) return std::nullopt;
    parsed.stamp = line.substr(0, quote);
    return parsed;
}

std::optional<LogLine> parse_log_line(LogFormat format, std::string_view line) {
    if (format == LogFormat::Json) return parse_json_line(line);
    auto entry = runtime::parse_local_entry(line);
    if (!entry) return std::nullopt;
    LogLine parsed;
    parsed.text = entry->text;
    if (entry->whole) parsed.text += '\n';
    parsed.is_error = entry->error_stream;
    parsed.at = entry->time;
    return parsed;
}

std::optional<WallTime> LogLine::time() const { return at ? at : parse_rfc3339(stamp); }

std::string LogLine::aligned_time() const {
    auto text = at ? rfc3339_nano(*at) : std::string(stamp);
    std::string padded(text.substr(0, text.find_last_of('Z')));
    auto dot = padded.find('.');
    if (dot == std::string::npos) dot = padded.size(), padded += '.';
    padded.resize(std::max(padded.size(), dot + 10), '0');
    return padded + "Z";
}

LogFormatter::LogFormatter(const LogOptions& options, bool terminal, LogFormat format)
    : output_(options.output),
      error_(options.error),
      timestamps_(options.timestamps),
      details_(options.details),
      terminal_(terminal),
      format_(format),
      since_(options.since),
      until_(options.until) {}

void LogFormatter::format(std::string_view line, std::string& out) {
    auto parsed = parse_log_line(format_, line);
    if (!parsed) return;
    if (since_.nanoseconds != 0 || until_.nanoseconds != 0) {
        auto time = parsed->time();
        if (!time || *time < since_) return;
        if (until_.nanoseconds != 0 && *time > until_) {
            past_until_ = true;
            return;
        }
    }
    if (parsed->is_error ? !error_ : !output_) return;
    auto prefix = timestamps_ ? parsed->aligned_time() + " " : std::string();
    if (details_) prefix += parsed->attributes + " ";
    auto size = parsed->text.size() + prefix.size();
    if (!terminal_) {
        out += parsed->is_error ? '\2' : '\1';
        out.append(3, '\0');
        for (int shift : {24, 16, 8, 0}) out += static_cast<char>(size >> shift & 0xff);
    }
    out += prefix;
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

}  // namespace pila::engine
