// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys of objects that somebody has to look at. A key waits once however often it is added; it is never given to two
// workers, and what is added while it is worked on comes again afterwards. Failures come back after 5 ms, then twice
// that, up to 1000 s (as k8s.io/client-go/util/workqueue). Nobody wakes while nothing is due. Threads: any.

#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/mutex.h"

namespace pila::cluster::controllers {

class Queue {
public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;

    // Tests have a clock of their own, and do not take().
    explicit Queue(std::function<Time()> clock = Clock::now) : clock_(std::move(clock)) {}
    Time now() const { return clock_(); }

    void add(const std::string& key);
    // The earlier of two times holds.
    void add_at(const std::string& key, Time when);
    void add_after(const std::string& key, Clock::duration delay) { add_at(key, now() + delay); }

    // After a failure; and after a success.
    void retry(const std::string& key);
    void forget(const std::string& key);

    // Waits for a key; nullopt: the queue has been stopped. done() must follow.
    std::optional<std::string> take();
    // What is ready at `now`, without waiting.
    std::optional<std::string> take_due(Time now);
    void done(const std::string& key);

    // Whoever waits is let go; nothing comes any more.
    void stop();

private:
    void add_now(const std::string& key) REQUIRES(mutex_);
    void move_due(Time now) REQUIRES(mutex_);
    std::string start_next() REQUIRES(mutex_);

    const std::function<Time()> clock_;
    Mutex mutex_;
    Condition changed_;
    std::deque<std::string> ready_ GUARDED_BY(mutex_);
    std::unordered_set<std::string> dirty_ GUARDED_BY(mutex_);    // ready, or added while being worked on
    std::unordered_set<std::string> working_ GUARDED_BY(mutex_);  // taken, not done
    std::set<std::pair<Time, std::string>> delayed_ GUARDED_BY(mutex_);
    std::unordered_map<std::string, Time> due_ GUARDED_BY(mutex_);  // of what is delayed
    std::unordered_map<std::string, int> failures_ GUARDED_BY(mutex_);
    bool stopping_ GUARDED_BY(mutex_) = false;
};

}  // namespace pila::cluster::controllers
