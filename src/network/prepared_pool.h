// SPDX-License-Identifier: Apache-2.0
#pragma once
// Network namespaces made ahead of time: some already on the default bridge with address and route, some with lo only.
// Claiming one costs no system call. One thread makes new ones whenever some were claimed; it sleeps otherwise.

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <thread>

#include "base/mutex.h"
#include "network/sandbox.h"

namespace pila::network {

class PreparedPool {
public:
    enum class Kind : std::uint8_t { Attached, Bare };
    using Make = std::function<Result<Prepared>(Kind)>;

    PreparedPool(unsigned attached, unsigned bare, Make make);
    ~PreparedPool();

    void start();
    std::optional<Prepared> claim(Kind kind);
    void refill();                           // who claimed has no more use for the processor
    std::vector<Prepared> stop_and_drain();  // ends the thread; what was ready is the caller's to take down
    void wait_until_full();                  // tests and benchmarks

private:
    void run();
    bool lacking(Kind kind) const REQUIRES(mutex_);
    bool half_empty() const REQUIRES(mutex_);

    const unsigned wanted_[2];
    const Make make_;
    Mutex mutex_;
    Condition changed_;
    std::deque<Prepared> ready_[2] GUARDED_BY(mutex_);
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::chrono::steady_clock::time_point quiet_until_ GUARDED_BY(mutex_);
    bool failed_ GUARDED_BY(mutex_) = false;  // waits for the next claim instead of trying again and again
    std::thread thread_;
};

}  // namespace pila::network
