// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/queue.h"

#include <algorithm>

namespace pila::cluster::controllers {

namespace {

constexpr std::chrono::milliseconds first_delay{5};
constexpr std::chrono::milliseconds longest_delay{1'000'000};

std::chrono::milliseconds delay_after(int failures) {
    auto delay = first_delay;
    for (int i = 0; i < failures && delay < longest_delay; ++i) delay *= 2;
    return std::min(delay, longest_delay);
}

}  // namespace

void Queue::add(const std::string& key) {
    Lock lock(mutex_);
    add_now(key);
}

void Queue::add_now(const std::string& key) {
    if (stopping_ || !dirty_.insert(key).second || working_.contains(key)) return;
    ready_.push_back(key);
    changed_.notify_one();
}

void Queue::add_at(const std::string& key, Time when) {
    Lock lock(mutex_);
    if (stopping_) return;
    auto [known, is_new] = due_.emplace(key, when);
    if (!is_new) {
        if (known->second <= when) return;
        delayed_.erase({known->second, key});
        known->second = when;
    }
    delayed_.emplace(when, key);
    changed_.notify_one();
}

void Queue::retry(const std::string& key) {
    std::chrono::milliseconds delay;
    {
        Lock lock(mutex_);
        delay = delay_after(failures_[key]++);
    }
    add_after(key, delay);
}

void Queue::forget(const std::string& key) {
    Lock lock(mutex_);
    failures_.erase(key);
}

void Queue::move_due(Time now) {
    while (!delayed_.empty() && delayed_.begin()->first <= now) {
        auto first = delayed_.extract(delayed_.begin());
        due_.erase(first.value().second);
        add_now(first.value().second);
    }
}

std::string Queue::start_next() {
    auto key = std::move(ready_.front());
    ready_.pop_front();
    dirty_.erase(key);
    working_.insert(key);
    // Somebody else watches over what remains: this thread is busy now, and may have been the one that knew the time.
    if (!ready_.empty() || !delayed_.empty()) changed_.notify_one();
    return key;
}

std::optional<std::string> Queue::take() {
    Lock lock(mutex_);
    while (!stopping_) {
        move_due(now());
        if (!ready_.empty()) return start_next();
        if (delayed_.empty())
            changed_.wait(lock);
        else
            changed_.wait_until(lock, delayed_.begin()->first);
    }
    return std::nullopt;
}

std::optional<std::string> Queue::take_due(Time now) {
    Lock lock(mutex_);
    move_due(now);
    if (stopping_ || ready_.empty()) return std::nullopt;
    return start_next();
}

void Queue::done(const std::string& key) {
    Lock lock(mutex_);
    working_.erase(key);
    if (stopping_ || !dirty_.contains(key)) return;
    ready_.push_back(key);
    changed_.notify_one();
}

void Queue::stop() {
    Lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
}

}  // namespace pila::cluster::controllers
