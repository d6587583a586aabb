// SPDX-License-Identifier: Apache-2.0
#include "runtime/log_writer_internal.h"

#include <fcntl.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>

#include "base/failpoint.h"
#include "base/text.h"
#include "os/file.h"

namespace pila::runtime {

namespace {

// Where to cut a line that is too long, without splitting a UTF-8 sequence.
std::size_t piece_of(std::string_view line) {
    if (line.size() <= longest_log_piece) return line.size();
    std::size_t cut = longest_log_piece;
    while (cut > longest_log_piece - 4 && (static_cast<unsigned char>(line[cut]) & 0xc0) == 0x80) --cut;
    return (static_cast<unsigned char>(line[cut]) & 0xc0) == 0x80 ? longest_log_piece : cut;
}

constexpr std::size_t write_out_at = 64U << 10;

}  // namespace

Result<LogWriter> LogWriter::open(LogPlan plan) {
    LogWriter log;
    log.plan_ = std::move(plan);
    if (log.plan_.path.empty()) return log;
    TRY(log.reopen());
    TRY(log.end_last_entry().in("container log"));
    return log;
}

Result<void> LogWriter::reopen() {
    if (plan_.path.empty()) return {};
    write_out();
    auto file = TRY(os::open(plan_.path, O_RDWR | O_CREAT | O_APPEND, 0640).in("container log"));
    size_ = static_cast<std::uint64_t>(TRY(os::stat_of(file)).st_size);
    file_ = std::move(file);
    return {};
}

// A shim that was killed while it wrote may have left the beginning of an entry.
Result<void> LogWriter::end_last_entry() {
    if (size_ == 0) return {};
    char last = 0;
    if (::pread(file_.get(), &last, 1, static_cast<off_t>(size_ - 1)) == 1 && last == '\n') return {};
    if (::write(file_.get(), "\n", 1) != 1) return Error::from_errno(errno, "write");
    ++size_;
    return {};
}

void LogWriter::append_line(Stream stream, std::string_view text, const std::string& stamp) {
    while (!text.empty()) {
        auto size = piece_of(text);
        if (plan_.max_bytes != 0 && size_ + ready_.size() >= plan_.max_bytes) {
            write_out();
            rotate();
        }
        append_log_entry(plan_.format, ready_, text.substr(0, size), stream == Stream::Error, stamp, plan_.attributes);
        text.remove_prefix(size);
        if (ready_.size() >= write_out_at) write_out();
    }
}

void LogWriter::add(Stream stream, std::string_view bytes, WallTime time) {
    if (!file_) return;
    auto stamp = log_stamp(plan_.format, time);
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

void LogWriter::end(Stream stream, WallTime time) {
    auto& waiting = waiting_[static_cast<int>(stream)];
    if (file_ && !waiting.empty()) append_line(stream, waiting, log_stamp(plan_.format, time));
    waiting = {};
    write_out();
}

void LogWriter::write_out() {
    if (ready_.empty()) return;
    PILA_CRASHPOINT("shim.log.before-write");
    if (file_ && os::write_all(file_, ready_))
        size_ += ready_.size();
    else if (file_ && ::ftruncate(file_.get(), static_cast<off_t>(size_)) < 0)
        file_.reset();  // a full disk took a part of it, and we cannot take that back
    ready_.clear();
    // Idle shims stay small.
    if (ready_.capacity() > 2 * write_out_at) ready_.shrink_to_fit();
}

void LogWriter::rotate() {
    auto rotated = rotated_logs(plan_.path);
    auto file_of = [&](std::uint64_t number) { return plan_.path + "." + std::to_string(number); };
    if (plan_.max_files <= 1)
        ignore(os::remove_file(plan_.path), "made anew below");
    else
        ignore(os::rename(plan_.path, file_of(rotated.empty() ? 1 : rotated.back().number + 1)),
               "full disk: goes on in it");
    // The one just rotated counts, and so does the one to come.
    for (std::size_t i = 0; i < rotated.size() && i + plan_.max_files < rotated.size() + 2; ++i) {
        ignore(os::remove_file(file_of(rotated[i].number)), "compressed");
        ignore(os::remove_file(file_of(rotated[i].number) + ".gz"), "not compressed");
    }
    PILA_CRASHPOINT("shim.log.rotating");
    if (auto opened = reopen(); !opened) file_.reset();
    if (rotated_ && plan_.max_files > 1) rotated_();
}

}  // namespace pila::runtime
