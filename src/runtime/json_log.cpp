// SPDX-License-Identifier: Apache-2.0
#include "runtime/json_log_internal.h"

#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/failpoint.h"
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

// Where to cut a line that is too long, without splitting a UTF-8 sequence.
std::size_t piece_of(std::string_view line) {
    if (line.size() <= longest_log_piece) return line.size();
    std::size_t cut = longest_log_piece;
    while (cut > longest_log_piece - 4 && (static_cast<unsigned char>(line[cut]) & 0xc0) == 0x80) --cut;
    return (static_cast<unsigned char>(line[cut]) & 0xc0) == 0x80 ? longest_log_piece : cut;
}

constexpr std::size_t write_out_at = 64U << 10;

}  // namespace

void append_log_entry(std::string& out, std::string_view text, bool error_stream, std::string_view time) {
    out += "{\"log\":\"";
    append_escaped(out, text);
    out += error_stream ? "\",\"stream\":\"stderr\",\"time\":\"" : "\",\"stream\":\"stdout\",\"time\":\"";
    out += time;
    out += "\"}\n";
}

Result<JsonLog> JsonLog::open(LogPlan plan) {
    JsonLog log;
    log.plan_ = std::move(plan);
    if (!log.plan_.path.empty()) TRY(log.reopen());
    return log;
}

Result<void> JsonLog::reopen() {
    if (plan_.path.empty()) return {};
    write_out();
    auto file = TRY(os::open(plan_.path, O_WRONLY | O_CREAT | O_APPEND, 0640).in("container log"));
    size_ = static_cast<std::uint64_t>(TRY(os::stat_of(file)).st_size);
    file_ = std::move(file);
    return {};
}

void JsonLog::append_line(Stream stream, std::string_view text, const std::string& time) {
    while (!text.empty()) {
        auto size = piece_of(text);
        if (plan_.max_bytes != 0 && size_ + ready_.size() >= plan_.max_bytes) {
            write_out();
            rotate();
        }
        append_log_entry(ready_, text.substr(0, size), stream == Stream::Error, time);
        text.remove_prefix(size);
        if (ready_.size() >= write_out_at) write_out();
    }
}

void JsonLog::add(Stream stream, std::string_view bytes, WallTime time) {
    if (!file_) return;
    auto stamp = rfc3339_nano(time);
    auto& waiting = waiting_[static_cast<int>(stream)];
    while (!bytes.empty()) {
        auto newline = static_cast<const char*>(std::memchr(bytes.data(), '\n', bytes.size()));
        auto line = bytes.substr(0, newline ? static_cast<std::size_t>(newline - bytes.data()) + 1 : bytes.size());
        bytes.remove_prefix(line.size());
        if (newline && waiting.empty()) {
            append_line(stream, line, stamp);
            continue;
        }
        waiting += line;
        if (newline) {
            append_line(stream, waiting, stamp);
            waiting = {};
        }
        while (waiting.size() > longest_log_piece) {
            auto size = piece_of(waiting);
            append_line(stream, std::string_view(waiting).substr(0, size), stamp);
            waiting.erase(0, size);
        }
    }
    write_out();
}

void JsonLog::end(Stream stream, WallTime time) {
    auto& waiting = waiting_[static_cast<int>(stream)];
    if (file_ && !waiting.empty()) append_line(stream, waiting, rfc3339_nano(time));
    waiting = {};
    write_out();
}

void JsonLog::write_out() {
    if (ready_.empty()) return;
    PILA_CRASHPOINT("shim.log.before-write");
    if (file_ && os::write_all(file_, ready_))
        size_ += ready_.size();
    else if (file_ && ::ftruncate(file_.get(), static_cast<off_t>(size_)) < 0)
        errno = 0;  // half a line, of a disk that is full, would spoil the next one
    ready_.clear();
    // Idle shims stay small.
    if (ready_.capacity() > 2 * write_out_at) ready_.shrink_to_fit();
}

// container.log -> container.log.1 -> container.log.2 ...; the oldest is overwritten.
void JsonLog::rotate() {
    for (auto number = plan_.max_files; number-- > 1;) {
        auto from = number == 1 ? plan_.path : plan_.path + "." + std::to_string(number - 1);
        ignore(os::rename(from, plan_.path + "." + std::to_string(number)), "missing until there were that many");
    }
    if (plan_.max_files <= 1) ignore(os::remove_file(plan_.path), "made anew below");
    PILA_CRASHPOINT("shim.log.rotating");
    if (auto opened = reopen(); !opened) file_.reset();
}

}  // namespace pila::runtime
