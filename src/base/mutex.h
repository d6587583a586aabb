// SPDX-License-Identifier: Apache-2.0
#pragma once
// std::mutex with the annotations that clang's -Wthread-safety checks (libstdc++'s own types carry none).

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define PILA_ANNOTATE(x) __attribute__((x))
#else
#define PILA_ANNOTATE(x)
#endif
#define GUARDED_BY(x) PILA_ANNOTATE(guarded_by(x))
#define REQUIRES(...) PILA_ANNOTATE(requires_capability(__VA_ARGS__))
#define EXCLUDES(...) PILA_ANNOTATE(locks_excluded(__VA_ARGS__))

namespace pila {

class PILA_ANNOTATE(capability("mutex")) Mutex {
public:
    void lock() PILA_ANNOTATE(acquire_capability()) { mutex_.lock(); }
    void unlock() PILA_ANNOTATE(release_capability()) { mutex_.unlock(); }

private:
    friend class Condition;
    std::mutex mutex_;
};

class PILA_ANNOTATE(scoped_lockable) Lock {
public:
    explicit Lock(Mutex& mutex) PILA_ANNOTATE(acquire_capability(mutex)) : mutex_(mutex) { mutex_.lock(); }
    ~Lock() PILA_ANNOTATE(release_capability()) { mutex_.unlock(); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

private:
    friend class Condition;
    Mutex& mutex_;
};

class Condition {
public:
    void notify_one() { condition_.notify_one(); }
    void notify_all() { condition_.notify_all(); }

    // Callers re-check their predicate in a loop.
    void wait(Lock& lock) {
        std::unique_lock held(lock.mutex_.mutex_, std::adopt_lock);
        condition_.wait(held);
        held.release();
    }
    // false: the time came first.
    bool wait_until(Lock& lock, std::chrono::steady_clock::time_point until) {
        std::unique_lock held(lock.mutex_.mutex_, std::adopt_lock);
        bool notified = condition_.wait_until(held, until) == std::cv_status::no_timeout;
        held.release();
        return notified;
    }

private:
    std::condition_variable condition_;
};

}  // namespace pila
