// SPDX-License-Identifier: Apache-2.0
#pragma once
// Runs tasks at a given time, on one thread that sleeps until the next is due. Tasks must be short: hand long work to a
// WorkQueue. What is not due yet when the queue is destroyed does not run.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <thread>

#include "base/mutex.h"

namespace pila {

class TimerQueue {
public:
    using Clock = std::chrono::steady_clock;
    TimerQueue();
    ~TimerQueue() { stop(); }
    TimerQueue(const TimerQueue&) = delete;
    TimerQueue& operator=(const TimerQueue&) = delete;

    std::uint64_t post_at(Clock::time_point when, std::function<void()> task);
    std::uint64_t post_after(Clock::duration delay, std::function<void()> task) {
        return post_at(Clock::now() + delay, std::move(task));
    }
    void cancel(std::uint64_t key);  // too late is fine
    void stop();                     // nothing runs any more; for who owns what tasks refer to. One thread.

private:
    void run();

    Mutex mutex_;
    Condition changed_;
    std::map<std::pair<Clock::time_point, std::uint64_t>, std::function<void()>> tasks_ GUARDED_BY(mutex_);
    std::uint64_t next_key_ GUARDED_BY(mutex_) = 1;
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace pila
