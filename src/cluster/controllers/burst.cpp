// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/burst.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/mutex.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::size_t most_at_once = 16;

class Batch {
public:
    Batch(std::size_t begin, std::size_t end, const std::function<api::Outcome<void>(std::size_t)>& call)
        : next_(begin), end_(end), call_(call) {}

    void run(std::size_t threads) {
        std::vector<std::thread> others;
        for (std::size_t index = 1; index < threads; ++index)
            others.emplace_back([this] {
                pthread_setname_np(pthread_self(), "control-burst");
                work();
            });
        work();
        for (auto& other : others) other.join();
    }

    std::optional<api::Status> failure() {
        Lock lock(mutex_);
        return failure_;
    }

private:
    void work() {
        for (auto index = next_++; index < end_; index = next_++) {
            auto done = call_(index);
            if (done) continue;
            Lock lock(mutex_);
            if (!failure_) failure_ = done.take_error();
        }
    }

    std::atomic<std::size_t> next_;
    const std::size_t end_;
    const std::function<api::Outcome<void>(std::size_t)>& call_;
    Mutex mutex_;
    std::optional<api::Status> failure_ GUARDED_BY(mutex_);
};

}  // namespace

api::Outcome<void> burst(std::size_t count, const std::function<api::Outcome<void>(std::size_t)>& call) {
    for (std::size_t begin = 0, size = 1; begin < count; begin += size, size *= 2) {
        auto end = std::min(begin + size, count);
        Batch batch(begin, end, call);
        batch.run(std::min(end - begin, most_at_once));
        if (auto failure = batch.failure()) return std::move(*failure);
    }
    return {};
}

}  // namespace pila::cluster::controllers
