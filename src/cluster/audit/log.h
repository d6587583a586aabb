// SPDX-License-Identifier: Apache-2.0
#pragma once
// The file that events go to, a line each, whole or not at all. Threads: any.

#include <cstdint>
#include <memory>
#include <string>

#include "base/fd.h"
#include "base/mutex.h"
#include "base/result.h"

namespace pila::cluster::audit {

// As kube-apiserver's flags of these names, its defaults too.
struct LogOptions {
    std::string path;
    // A file that would become larger is put aside as NAME-2026-11-24T05-10-00.000.EXTENSION (UTC).
    std::uint64_t max_bytes = 100U << 20;
    std::uint64_t max_backups = 0;  // of those put aside; 0: all
    std::uint64_t max_days = 0;     // since they were put aside; 0: whatever their age
};

class Log {
public:
    // Appends to it; mode 0600 if it is new.
    static Result<std::unique_ptr<Log>> open(LogOptions options);
    // A failure is told once until a line succeeds again; the request it tells of goes on.
    void write(std::string line);

private:
    Log(LogOptions options, Fd file) : options_(std::move(options)), file_(std::move(file)) {}
    Result<void> append(const std::string& line) REQUIRES(mutex_);
    Result<void> put_aside() REQUIRES(mutex_);
    Result<void> remove_old() const;

    const LogOptions options_;
    Mutex mutex_;
    Fd file_ GUARDED_BY(mutex_);
    bool has_failed_ GUARDED_BY(mutex_) = false;
};

}  // namespace pila::cluster::audit
