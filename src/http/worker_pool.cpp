// SPDX-License-Identifier: Apache-2.0
#include "http/worker_pool.h"

#include <pthread.h>
#include <algorithm>
#include <system_error>
#include <utility>

#include "base/log.h"
#include "http/waiting.h"

namespace pila::http {

static constexpr std::chrono::seconds idle_life{10};
static thread_local WorkerPool* this_pool = nullptr;  // of a worker that does not wait

Waiting::Waiting() : pool_(std::exchange(this_pool, nullptr)) {
    if (pool_) pool_->begin_waiting();
}

Waiting::~Waiting() {
    if (!pool_) return;
    pool_->end_waiting();
    this_pool = pool_;
}

WorkerPool::~WorkerPool() {
    std::list<Worker> workers;
    {
        Lock lock(mutex_);
        stopping_ = true;
        for (auto* worker : idle_) worker->assigned.notify_one();
        while (live_ > 0) became_idle_.wait(lock);
        workers.swap(workers_);
    }
    for (auto& worker : workers) worker.thread.join();
}

void WorkerPool::submit(ConnectionPointer connection) {
    std::list<Worker> ended;
    Worker* chosen = nullptr;
    {
        Lock lock(mutex_);
        ended = take_ended();
        if (!idle_.empty()) {
            chosen = idle_.back();
            idle_.pop_back();
            chosen->idle = false;
            chosen->job = std::move(connection);
            chosen->assigned.notify_one();
        } else if (!start_worker(connection)) {
            queue_.push_back(std::move(connection));
            waiting_ = queue_.size();
        }
    }
    for (auto& worker : ended) worker.thread.join();
}

void WorkerPool::begin_waiting() {
    Lock lock(mutex_);
    ++waiters_;
    if (queue_.empty()) return;
    if (start_worker(queue_.front())) take_waiting();
}

void WorkerPool::end_waiting() {
    Lock lock(mutex_);
    --waiters_;
}

ConnectionPointer WorkerPool::take_waiting() {
    auto connection = std::move(queue_.front());
    queue_.pop_front();
    waiting_ = queue_.size();
    return connection;
}

// False: there are enough, and `job` is as it was.
bool WorkerPool::start_worker(ConnectionPointer& job) {
    if (live_ >= max_threads_ || live_ - waiters_ >= max_busy_) return false;
    auto& worker = workers_.emplace_back();
    worker.job = std::move(job);
    try {
        worker.thread = std::thread([this, &worker] { run(worker); });
    } catch (const std::system_error& error) {
        log::warning("http: start thread: {}", error.what());
        job = std::move(worker.job);
        workers_.pop_back();
        return false;
    }
    ++live_;
    return true;
}

std::list<WorkerPool::Worker> WorkerPool::take_ended() {
    std::list<Worker> ended;
    for (auto worker = workers_.begin(); worker != workers_.end();) {
        auto next = std::next(worker);
        if (worker->ended) ended.splice(ended.end(), workers_, worker);
        worker = next;
    }
    return ended;
}

void WorkerPool::run(Worker& worker) {
    ::pthread_setname_np(::pthread_self(), "http-worker");
    this_pool = this;
    ConnectionPointer job;
    while (next_job(worker, job)) {
        serve_(job);
        job.reset();
    }
}

// False: this thread ends.
bool WorkerPool::next_job(Worker& worker, ConnectionPointer& job) {
    Lock lock(mutex_);
    const bool is_spare = live_ - waiters_ > max_busy_;  // those that waited are back
    if (!worker.job && !queue_.empty() && !is_spare) worker.job = take_waiting();
    if (!worker.job && !stopping_ && !is_spare) {
        worker.idle = true;
        idle_.push_back(&worker);
        if (idle_.size() == live_) became_idle_.notify_all();
        auto until = std::chrono::steady_clock::now() + idle_life;
        while (worker.idle && !stopping_)
            if (!worker.assigned.wait_until(lock, until)) break;
        if (worker.idle) std::erase(idle_, &worker);
    }
    if (worker.job) {
        job = std::move(worker.job);
        return true;
    }
    --live_;
    worker.ended = true;
    became_idle_.notify_all();
    return false;
}

bool WorkerPool::wait_until_idle(MonotonicTime until) {
    Lock lock(mutex_);
    while (idle_.size() < live_ || !queue_.empty())
        if (!became_idle_.wait_until(lock, until)) return idle_.size() == live_ && queue_.empty();
    return true;
}

unsigned WorkerPool::threads() const {
    Lock lock(mutex_);
    return live_;
}

}  // namespace pila::http
