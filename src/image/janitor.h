// SPDX-License-Identifier: Apache-2.0
#pragma once
// Work of the store that nobody has to wait for: deleting trees that have no name any more, and bringing new layers to
// the disk (one syncfs(2) for all that came within a few seconds). One thread, asleep when there is nothing to do. What
// it has not done when it ends is found again by recover(): tmp/ is emptied, unsynced layers carry a mark.

#include <deque>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/result.h"

namespace pila::image {

class Janitor {
public:
    explicit Janitor(std::string data_directory);
    ~Janitor();
    Janitor(const Janitor&) = delete;
    Janitor& operator=(const Janitor&) = delete;

    void remove(std::string tree);            // a path below tmp/
    void sync_then_unlink(std::string mark);  // the mark goes once everything written before is on the disk
    // Waits until all of it is done, without the delay.
    void finish_all();

private:
    void run();
    void sync(const std::vector<std::string>& marks);

    const std::string data_directory_;
    Mutex mutex_;
    Condition changed_;
    std::deque<std::string> trees_ GUARDED_BY(mutex_);
    std::vector<std::string> marks_ GUARDED_BY(mutex_);
    std::chrono::steady_clock::time_point sync_at_ GUARDED_BY(mutex_);
    bool busy_ GUARDED_BY(mutex_) = false, hurry_ GUARDED_BY(mutex_) = false, stop_ GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

// Tells one boot of the machine from another; "" if the kernel does not say.
std::string boot_id();

}  // namespace pila::image
