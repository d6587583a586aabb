// SPDX-License-Identifier: Apache-2.0
#include "network/prepared_pool.h"

#include <pthread.h>

#include "base/log.h"

namespace pila::network {

static constexpr std::chrono::milliseconds longest_start{20};  // that is waited for

PreparedPool::PreparedPool(unsigned attached, unsigned bare, Make make)
    : wanted_{attached, bare}, make_(std::move(make)) {}

PreparedPool::~PreparedPool() { stop_and_drain(); }

void PreparedPool::start() {
    thread_ = std::thread([this] {
        ::pthread_setname_np(::pthread_self(), "net-pool");
        run();
    });
}

bool PreparedPool::lacking(Kind kind) const {
    auto index = static_cast<std::size_t>(kind);
    return ready_[index].size() < wanted_[index];
}

bool PreparedPool::half_empty() const { return ready_[0].size() * 2 < wanted_[0] || ready_[1].size() * 2 < wanted_[1]; }

std::optional<Prepared> PreparedPool::claim(Kind kind) {
    std::optional<Prepared> claimed;
    Lock lock(mutex_);
    auto& ready = ready_[static_cast<std::size_t>(kind)];
    if (!ready.empty()) {
        claimed = std::move(ready.front());
        ready.pop_front();
    }
    failed_ = false;
    quiet_until_ = std::chrono::steady_clock::now() + longest_start;
    changed_.notify_all();
    return claimed;
}

void PreparedPool::refill() {
    Lock lock(mutex_);
    quiet_until_ = {};
    changed_.notify_all();
}

std::vector<Prepared> PreparedPool::stop_and_drain() {
    {
        Lock lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    if (thread_.joinable()) thread_.join();
    std::vector<Prepared> rest;
    Lock lock(mutex_);
    for (auto& ready : ready_) {
        for (auto& entry : ready) rest.push_back(std::move(entry));
        ready.clear();
    }
    return rest;
}

void PreparedPool::wait_until_full() {
    Lock lock(mutex_);
    while ((lacking(Kind::Attached) || lacking(Kind::Bare)) && !stopping_ && !failed_) changed_.wait(lock);
}

void PreparedPool::run() {
    for (;;) {
        Kind kind;
        {
            Lock lock(mutex_);
            while (!stopping_ && (failed_ || !(lacking(Kind::Attached) || lacking(Kind::Bare)))) changed_.wait(lock);
            // Who has just claimed one is starting a container and has more use for the processor.
            if (!stopping_ && !half_empty() && std::chrono::steady_clock::now() < quiet_until_) {
                changed_.wait_until(lock, quiet_until_);
                continue;
            }
            if (stopping_) return;
            // The emptier one first: both kinds may be in demand.
            kind = lacking(Kind::Attached) && (!lacking(Kind::Bare) || ready_[0].size() <= ready_[1].size())
                       ? Kind::Attached
                       : Kind::Bare;
        }
        auto made = make_(kind);
        Lock lock(mutex_);
        if (made) {
            ready_[static_cast<std::size_t>(kind)].push_back(made.take());
        } else {
            failed_ = true;
            log::warning("network: preparing a namespace: {}", made.error().message());
        }
        changed_.notify_all();
    }
}

}  // namespace pila::network
