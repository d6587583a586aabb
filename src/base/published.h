// SPDX-License-Identifier: Apache-2.0
#pragma once
// A value that few replace and many read: each reader keeps the one that it got. Not std::atomic<std::shared_ptr>: that
// of libstdc++ spins, where threads are many for one that lost its processor in there, and in GCC 12 its readers unlock
// without ordering, which the thread sanitizer reports. Threads: any.

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
