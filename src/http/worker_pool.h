// SPDX-License-Identifier: Apache-2.0
#pragma once
// Threads for busy requests: made on demand up to a limit, the most recently used one first (warm caches), and gone
// again after a while without work. Every thread is named and joined. Those that wait for somebody else (Waiting) make
// room for others, up to a higher limit.

#include <atomic>
#include <deque>
#include <list>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "http/connection.h"

namespace pila::http {

class WorkerPool {
public:
    using Serve = std::function<void(const ConnectionPointer&)>;
    // max_busy: of the threads, those that do not wait; 0: all.
    WorkerPool(unsigned max_threads, unsigned max_busy, Serve serve)
        : max_threads_(max_threads), max_busy_(max_busy ? max_busy : max_threads), serve_(std::move(serve)) {}
    ~WorkerPool();  // waits for whoever is busy

    void submit(ConnectionPointer connection);
    // True while requests wait for a thread: workers then do not linger on a connection.
    bool crowded() const { return waiting_.load(std::memory_order_relaxed) > 0; }
    bool wait_until_idle(MonotonicTime until);  // false: somebody is still busy
    unsigned threads() const;

private:
    friend class Waiting;
    void begin_waiting();
    void end_waiting();

    struct Worker {
        std::thread thread;
        Condition assigned;
        ConnectionPointer job;
        bool idle = false;
        bool ended = false;
    };

    void run(Worker& worker);
    bool next_job(Worker& worker, ConnectionPointer& job);
    std::list<Worker> take_ended() REQUIRES(mutex_);
    bool start_worker(ConnectionPointer& job) REQUIRES(mutex_);
    ConnectionPointer take_waiting() REQUIRES(mutex_);

    const unsigned max_threads_, max_busy_;
    const Serve serve_;
    std::atomic<std::size_t> waiting_{0};

    mutable Mutex mutex_;
    Condition became_idle_;
    std::list<Worker> workers_ GUARDED_BY(mutex_);
    std::vector<Worker*> idle_ GUARDED_BY(mutex_);  // the last one is the warmest
    std::deque<ConnectionPointer> queue_ GUARDED_BY(mutex_);
    unsigned live_ GUARDED_BY(mutex_) = 0, waiters_ GUARDED_BY(mutex_) = 0;
    bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace pila::http
