// SPDX-License-Identifier: Apache-2.0
#pragma once
// Root file systems of containers that have ended, kept for a moment. With the last reference to a writable overlay the
// kernel syncs the whole file system below it (ovl_sync_fs), whoever has written there: if the container's own last
// process drops it, that is before anybody learns of its end. Here it happens afterwards, and for many at once, so that
// one commit of the journal serves all. Threads: any.

#include <string>
#include <thread>
#include <unordered_map>

#include "base/fd.h"
#include "base/mutex.h"

namespace pila::engine {

class LingeringRoots {
public:
    LingeringRoots();
    ~LingeringRoots();

    void keep(const std::string& container_id, Fd root);
    // Before the same directories are mounted again, or their space is needed; returns when the root is gone.
    void let_go(const std::string& container_id);

private:
    using Roots = std::unordered_multimap<std::string, Fd>;
    void run();
    bool wait_for_some();
    Fd next_leaving();

    Mutex mutex_;
    Condition changed_;
    Roots staying_ GUARDED_BY(mutex_), leaving_ GUARDED_BY(mutex_);
    std::string closing_ GUARDED_BY(mutex_);  // of the one that is just being closed
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace pila::engine
