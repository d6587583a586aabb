// SPDX-License-Identifier: Apache-2.0
#pragma once
// Compresses rotated log files, so that shims need not: one thread of low priority, there from the first file on.

#include <atomic>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/result.h"
#include "base/work_queue.h"

namespace pila::engine {

class LogCompressor {
public:
    ~LogCompressor();
    // Whatever is rotated and not compressed of the log at `path`. Returns at once.
    void compress(const std::string& path) EXCLUDES(mutex_);

private:
    void compress_all(const std::string& path);

    std::atomic<bool> stopping_{false};
    Mutex mutex_;
    std::unique_ptr<WorkQueue> queue_ GUARDED_BY(mutex_);
};

// PATH -> PATH.gz, whole or not at all. `stop` is looked at now and then.
Result<void> compress_file(const std::string& path, const std::atomic<bool>& stop);

}  // namespace pila::engine
