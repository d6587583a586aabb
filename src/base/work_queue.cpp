// SPDX-License-Identifier: Apache-2.0
#include "base/work_queue.h"

#include <pthread.h>
#include <exception>

#include "base/log.h"

namespace pila {

WorkQueue::WorkQueue(const std::string& name, unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) {
        threads_.emplace_back([this] { run(); });
        ::pthread_setname_np(threads_.back().native_handle(), name.substr(0, 15).c_str());
    }
}

WorkQueue::~WorkQueue() {
    {
        Lock lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
}

void WorkQueue::post(std::function<void()> task) {
    Lock lock(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_one();  // under the lock: the task may be run, and the queue be gone, as soon as it is let go
}

void WorkQueue::run() {
    for (;;) {
        std::function<void()> task;
        {
            Lock lock(mutex_);
            while (tasks_.empty() && !stopping_) changed_.wait(lock);
            if (tasks_.empty()) return;
            task = std::move(tasks_.front());
            tasks_.pop_front();
        }
        try {
            task();
        } catch (const std::exception& failure) {
            log::error("background task failed: {}", failure.what());
        }
    }
}

}  // namespace pila
