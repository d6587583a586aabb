// SPDX-License-Identifier: Apache-2.0
#include "engine/log_files.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>

#include <fmt/core.h>

#include "base/text.h"
#include "image/compression.h"
#include "os/file.h"

namespace pila::engine {

static std::string directory_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

std::string rotated_path(const std::string& path, const RotatedLog& log) {
    return fmt::format("{}.{}{}", path, log.number, log.compressed ? ".gz" : "");
}

// Into a file without a name: the end of a log is wanted more often than its beginning.
static Result<Fd> decompress(const Fd& from, const std::string& directory) {
    auto opened = os::open(directory, O_TMPFILE | O_RDWR, 0600);
    Fd into = opened ? opened.take() : Fd(::memfd_create("log", MFD_CLOEXEC));  // a full disk's logs are wanted, too
    if (!into) return Error::from_errno(errno, "make a file for the decompressed log");
    image::FileChunks chunks(from);
    image::Decompressed decompressed(chunks);
    for (;;) {
        auto chunk = TRY(decompressed.next().in("decompress the log"));
        if (chunk.bytes.empty()) break;
        TRY(os::write_all(into, chunk.bytes));
    }
    if (::lseek(into.get(), 0, SEEK_SET) < 0) return Error::from_errno(errno, "position in the log");
    return into;
}

static Result<Fd> open_rotated(const std::string& path, const RotatedLog& log) {
    auto file = os::open(rotated_path(path, log), O_RDONLY);
    if (file && !log.compressed) return file;
    // Compressed since it was listed.
    auto compressed = log.compressed ? std::move(file) : os::open(rotated_path(path, {log.number, true}), O_RDONLY);
    return decompress(TRY(std::move(compressed)), directory_of(path));
}

static bool is_same(FdView file, const std::string& path) {
    struct stat ours {
    }, theirs{};
    return ::fstat(file.get(), &ours) == 0 && ::stat(path.c_str(), &theirs) == 0 && ours.st_ino == theirs.st_ino &&
           ours.st_dev == theirs.st_dev;
}

// The current file and its number. It may be rotated at any moment: then it has got that number already.
static Result<LogPart> open_current(const std::string& path) {
    LogPart part;
    auto opened = os::open(path, O_RDONLY);
    if (!opened && opened.error().code() != Errc::NotFound) return opened.take_error();
    if (opened) part.file = opened.take();
    auto rotated = rotated_logs(path);
    part.number = rotated.empty() ? 1 : rotated.back().number + 1;
    for (auto log = rotated.rbegin(); part.file && log != rotated.rend(); ++log)
        if (!log->compressed && is_same(part.file, rotated_path(path, *log))) part.number = log->number;
    return part;
}

static bool is_older(const std::string& path, WallTime since) {
    struct stat info {};
    return since.nanoseconds != 0 && ::stat(path.c_str(), &info) == 0 &&
           info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec < since.nanoseconds;
}

Result<std::vector<LogPart>> open_log(const std::string& path, std::int64_t tail, WallTime since) {
    std::vector<LogPart> parts;
    auto add = [&](LogPart part) -> Result<void> {
        if (tail >= 0) {
            std::int64_t missing = 0;
            auto offset = TRY(tail_offset(part.file, tail, missing));
            if (::lseek(part.file.get(), offset, SEEK_SET) < 0) return Error::from_errno(errno, "position in the log");
            tail = missing;
        }
        parts.push_back(std::move(part));
        return {};
    };
    auto current = TRY(open_current(path));
    auto number = current.number;
    if (current.file) TRY(add(std::move(current)));
    auto rotated = rotated_logs(path);
    for (auto log = rotated.rbegin(); log != rotated.rend() && tail != 0; ++log) {
        if (log->number >= number) continue;
        if (is_older(rotated_path(path, *log), since)) break;
        auto file = open_rotated(path, *log);
        if (!file && file.error().code() == Errc::NotFound) break;  // gone meanwhile, and so are all before it
        if (!file) return file.take_error();
        TRY(add({file.take(), log->number}));
    }
    std::reverse(parts.begin(), parts.end());
    return parts;
}

Result<LogPart> open_next_log(const std::string& path, std::uint64_t number) {
    for (int attempt = 0; attempt < 16; ++attempt) {
        auto rotated = rotated_logs(path);
        auto next = std::find_if(rotated.begin(), rotated.end(), [&](auto& log) { return log.number > number; });
        if (next == rotated.end()) {
            auto current = TRY(open_current(path));
            // Rotated between the two looks: what was current may not be the next one any more.
            if (!current.file || current.number <= number + 1) return current;
            continue;
        }
        auto file = open_rotated(path, *next);
        if (file) return LogPart{file.take(), next->number};
        if (file.error().code() != Errc::NotFound) return file.take_error();
    }
    return LogPart{};
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
