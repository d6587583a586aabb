// SPDX-License-Identifier: Apache-2.0
#pragma once
// The file that events go to, a line each, whole or not at all. Threads: any.

#include <memory>
#include <string>

#include "base/fd.h"
#include "base/mutex.h"
#include "base/result.h"

namespace pila::cluster::audit {

class Log {
public:
    // Appends to it; mode 0600 if it is new.
    static Result<std::unique_ptr<Log>> open(const std::string& path);
    // A failure is told once until a line succeeds again; the request it tells of goes on.
    void write(std::string line);

private:
    explicit Log(Fd file) : file_(std::move(file)) {}
    Mutex mutex_;
    const Fd file_;
    bool has_failed_ GUARDED_BY(mutex_) = false;
};

}  // namespace pila::cluster::audit
