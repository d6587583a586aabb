// SPDX-License-Identifier: Apache-2.0
#include "engine/log_compressor.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/log.h"
#include "engine/log_files.h"
#include "image/compression.h"
#include "os/file.h"

namespace pila::engine {

static constexpr int fast = 1;  // half as long again as the best, for a fifth of the time

LogCompressor::~LogCompressor() { stopping_ = true; }

void LogCompressor::compress(const std::string& path) {
    Lock lock(mutex_);
    if (!queue_) queue_ = std::make_unique<WorkQueue>("log-compress", 1);
    queue_->post([this, path] { compress_all(path); });
}

void LogCompressor::compress_all(const std::string& path) {
    ::setpriority(PRIO_PROCESS, 0, 19);  // of this thread alone, on Linux
    for (const auto& log : rotated_logs(path)) {
        if (log.compressed || stopping_) continue;
        auto done = compress_file(rotated_path(path, log), stopping_);
        if (!done && done.error().code() != Errc::NotFound) log::warning("{}", done.error().message());
    }
}

static Result<void> copy_compressed(const Fd& from, const Fd& into, const std::atomic<bool>& stop) {
    auto compressor = image::gzip_compressor([&](std::string_view bytes) { return os::write_all(into, bytes); }, fast);
    std::string buffer(256 * 1024, '\0');
    for (;;) {
        if (stop) return Error(Errc::Unavailable, "the daemon ends");
        auto got = TRY(os::read_some(from, buffer.data(), buffer.size()));
        if (got == 0) return compressor->finish();
        TRY(compressor->write({buffer.data(), got}));
    }
}

// The shim may remove both forms at any moment (runtime/log_writer), but never gives their number to another file. It
// removes the plain one first: if that is gone when we want to remove it, the compressed one has to go, too.
Result<void> compress_file(const std::string& path, const std::atomic<bool>& stop) {
    auto from = TRY(os::open(path, O_RDONLY));
    auto written = TRY(os::stat_of(from)).st_mtim;
    auto temporary = path.substr(0, path.rfind('/')) + "/log.compressing";
    {
        auto into = TRY(os::open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0640));
        if (auto copied = copy_compressed(from, into, stop); !copied) {
            ignore(os::remove_file(temporary), "its container may be gone");
            return std::move(copied).in("compress " + path);
        }
        const timespec times[2] = {written, written};  // --since need not open what is older
        ::futimens(into.get(), times);
    }
    TRY(os::rename(temporary, path + ".gz"));
    auto removed = os::remove_file(path);
    if (!removed) ignore(os::remove_file(path + ".gz"), "the shim removed that, too");
    return removed;
}

}  // namespace pila::engine
