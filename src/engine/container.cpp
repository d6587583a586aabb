// SPDX-License-Identifier: Apache-2.0
#include "engine/container.h"

#include <algorithm>

namespace pila::engine {

std::string_view name_of(Status status) {
    static constexpr std::string_view names[] = {"created",  "running", "paused", "restarting",
                                                 "removing", "exited",  "dead"};
    return names[static_cast<int>(status)];
}

std::string Container::name() const {
    Lock lock(mutex_);
    return name_;
}

SpecPointer Container::spec() const {
    Lock lock(mutex_);
    return spec_;
}

ContainerState Container::state() const {
    Lock lock(mutex_);
    return state_;
}

std::shared_ptr<runtime::ShimClient> Container::shim() const {
    Lock lock(mutex_);
    return shim_;
}

void Container::set_name(std::string name) {
    Lock lock(mutex_);
    name_ = std::move(name);
}

void Container::set_spec(SpecPointer spec) {
    Lock lock(mutex_);
    spec_ = std::move(spec);
}

VolumeMounts Container::volumes() const {
    Lock lock(mutex_);
    return volumes_;
}

void Container::set_volumes(VolumeMounts volumes) {
    Lock lock(mutex_);
    volumes_ = std::move(volumes);
}

void Container::set_shim(std::shared_ptr<runtime::ShimClient> shim) {
    Lock lock(mutex_);
    shim_.swap(shim);  // the old one is released after the lock
}

void Container::started(std::chrono::nanoseconds before) {
    Lock lock(mutex_);
    runs_since_ = std::chrono::steady_clock::now() - before;
}

std::chrono::nanoseconds Container::ran_for() const {
    Lock lock(mutex_);
    return std::chrono::steady_clock::now() - runs_since_;
}

Container::Expected::Expected(std::shared_ptr<Container> container) : container_(std::move(container)) {
    Lock lock(container_->mutex_);
    ++container_->expected_;
}

Container::Expected::~Expected() {
    {
        Lock lock(container_->mutex_);
        --container_->expected_;
    }
    container_->expected_arrived_.notify_all();
}

void Container::await_expected(std::chrono::milliseconds at_most) {
    auto until = std::chrono::steady_clock::now() + at_most;
    Lock lock(mutex_);
    while (expected_ > 0 && expected_arrived_.wait_until(lock, until)) {
    }
}

void Container::add_pending(runtime::Attachment attachment) {
    Lock lock(mutex_);
    pending_.push_back(std::move(attachment));
}

std::vector<runtime::Attachment> Container::take_pending() {
    Lock lock(mutex_);
    return std::exchange(pending_, {});
}

std::uint64_t Container::wait_for(WaitCondition condition, std::function<void(WaitResult)> callback) {
    WaitResult now;
    {
        Lock lock(mutex_);
        auto key = next_key_++;
        if (removed_) {
            now = *removed_;
        } else if (condition != WaitCondition::NotRunning || state_.is_running() ||
                   state_.status == Status::Restarting) {
            waiters_.push_back({key, condition, std::move(callback)});
            return key;
        } else {
            now = {state_.exit_code, state_.error};
        }
    }
    callback(now);
    return 0;
}

void Container::cancel_wait(std::uint64_t key) {
    Lock lock(mutex_);
    std::erase_if(waiters_, [&](const Waiter& waiter) { return waiter.key == key; });
}

void Container::notify(WaitCondition condition, const WaitResult& result) {
    std::vector<Waiter> met;
    {
        Lock lock(mutex_);
        if (condition == WaitCondition::Removed) removed_ = result;  // also for who found it just before
        auto still = std::stable_partition(waiters_.begin(), waiters_.end(), [&](const Waiter& waiter) {
            if (condition == WaitCondition::Removed) return false;  // it is gone: everybody is told
            return waiter.condition == WaitCondition::Removed;
        });
        met.assign(std::make_move_iterator(still), std::make_move_iterator(waiters_.end()));
        waiters_.erase(still, waiters_.end());
    }
    for (auto& waiter : met) waiter.callback(result);
}

}  // namespace pila::engine
