// SPDX-License-Identifier: Apache-2.0
#pragma once
// A few named threads that run tasks in the order they came. Joined by the destructor, which first runs what is queued.

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace pila {

class WorkQueue {
public:
    WorkQueue(const std::string& name, unsigned threads);
    ~WorkQueue();
    WorkQueue(const WorkQueue&) = delete;
    WorkQueue& operator=(const WorkQueue&) = delete;

    void post(std::function<void()> task);

private:
    void run();

    Mutex mutex_;
    Condition changed_;
    std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::vector<std::thread> threads_;
};

}  // namespace pila
