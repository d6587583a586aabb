// SPDX-License-Identifier: Apache-2.0
#pragma once
// Moves what was committed from the log to its place in the file, on a thread and a connection of its own: tens of
// milliseconds that no write waits for.

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "store/sqlite.h"

namespace pila::cluster::state {

class Checkpointer {
public:
    static Result<std::unique_ptr<Checkpointer>> open(const std::string& path);
    ~Checkpointer();  // waits for the pass that is under way
    Checkpointer(const Checkpointer&) = delete;
    Checkpointer& operator=(const Checkpointer&) = delete;

    bool is_running() const { return is_running_; }
    void start();  // only when none is running

private:
    Checkpointer() = default;
    void run();

    store::Connection connection_;
    store::Statement checkpoint_;
    std::atomic<bool> is_running_ = false;
    Mutex mutex_;
    Condition changed_;
    bool is_stopping_ GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

// One pass of PRAGMA wal_checkpoint. Whether all of the log is in its place, so that it begins anew.
Result<bool> checkpoint(store::Statement& pragma);

}  // namespace pila::cluster::state
