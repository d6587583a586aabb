// SPDX-License-Identifier: Apache-2.0
#include "base/timer_queue.h"

#include <pthread.h>
#include <exception>

#include "base/log.h"

namespace pila {

TimerQueue::TimerQueue() : thread_([this] { run(); }) { ::pthread_setname_np(thread_.native_handle(), "timers"); }

void TimerQueue::stop() {
    {
        Lock lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
}

std::uint64_t TimerQueue::post_at(Clock::time_point when, std::function<void()> task) {
    Lock lock(mutex_);
    auto key = next_key_++;
    tasks_.emplace(std::pair{when, key}, std::move(task));
    changed_.notify_one();
    return key;
}

void TimerQueue::cancel(std::uint64_t key) {
    Lock lock(mutex_);
    std::erase_if(tasks_, [&](const auto& item) { return item.first.second == key; });
}

void TimerQueue::run() {
    for (;;) {
        std::function<void()> task;
        {
            Lock lock(mutex_);
            while (!stopping_ && (tasks_.empty() || tasks_.begin()->first.first > Clock::now())) {
                if (tasks_.empty())
                    changed_.wait(lock);
                else
                    changed_.wait_until(lock, tasks_.begin()->first.first);
            }
            if (stopping_) return;
            task = std::move(tasks_.begin()->second);
            tasks_.erase(tasks_.begin());
        }
        try {
            task();
        } catch (const std::exception& failure) {
            log::error("timed task failed: {}", failure.what());
        }
    }
}

}  // namespace pila
