// SPDX-License-Identifier: Apache-2.0
#pragma once
// A value that few replace and many read: each reader keeps the one that it got. std::atomic<std::shared_ptr> of
// libstdc++ spins, and where there are more threads than processors all wait for one that lost its processor in there:
// it took 7 % of the time of a busy API server. Threads: any.

#include <memory>
#include <utility>

#include "base/mutex.h"

namespace pila {

template <typename Value>
class Published {
public:
    explicit Published(std::shared_ptr<const Value> value = nullptr) : value_(std::move(value)) {}

    std::shared_ptr<const Value> load() const {
        Lock lock(mutex_);
        return value_;
    }
    void store(std::shared_ptr<const Value> value) {
        Lock lock(mutex_);
        value_.swap(value);  // the old one ends after the lock
    }

private:
    mutable Mutex mutex_;
    std::shared_ptr<const Value> value_ GUARDED_BY(mutex_);
};

}  // namespace pila
