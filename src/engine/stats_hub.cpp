// SPDX-License-Identifier: Apache-2.0
#include "engine/stats_hub.h"

#include <algorithm>
#include <vector>

namespace pila::engine {

static constexpr std::chrono::seconds interval{1};

SamplePointer StatsHub::sample_at(const Container& container, const Moment& moment) const {
    auto state = container.state();
    if (!state.is_running()) return std::make_shared<const Sample>();
    auto spec = container.spec();
    auto group = groups_.group(container.id(), spec->cgroup_parent);
    return std::make_shared<const Sample>(take_sample(group, spec->network_mode == "host" ? 0 : state.pid, moment));
}

std::uint64_t StatsHub::watch(ContainerPointer container, Watcher watcher) {
    auto entry = std::make_shared<Entry>();
    entry->container = container;
    entry->watcher = std::move(watcher);
    Lock lock(mutex_);
    auto key = next_key_++;
    watchers_[key] = entry;
    workers_.post([this, key, entry, container] {
        if (!deliver(*entry, sample(*container), true)) unwatch(key);
    });
    if (!ticking_ && !stopped_) {
        ticking_ = true;
        next_tick_ = TimerQueue::Clock::now() + interval;
        schedule();
    }
    return key;
}

void StatsHub::unwatch(std::uint64_t key) {
    Lock lock(mutex_);
    watchers_.erase(key);
}

void StatsHub::forget(const std::string& container_id) {
    std::vector<std::shared_ptr<Entry>> told;
    {
        Lock lock(mutex_);
        for (auto watcher = watchers_.begin(); watcher != watchers_.end();) {
            if (watcher->second->container->id() == container_id) {
                told.push_back(watcher->second);
                watcher = watchers_.erase(watcher);
            } else {
                ++watcher;
            }
        }
    }
    for (const auto& entry : told) entry->watcher.gone();
}

bool StatsHub::deliver(Entry& entry, const SamplePointer& sample, bool first) {
    Lock lock(entry.delivering);
    if (entry.started == first) return true;
    entry.started = true;
    auto before = std::exchange(entry.before, sample);
    return entry.watcher.sink(sample, before);
}

void StatsHub::stop() {
    Lock lock(mutex_);
    stopped_ = true;
}

void StatsHub::schedule() {
    timers_.post_at(next_tick_, [this] { workers_.post([this] { tick(); }); });
}

void StatsHub::tick() {
    Watchers due;
    {
        Lock lock(mutex_);
        if (watchers_.empty() || stopped_) {
            ticking_ = false;
            return;
        }
        due = watchers_;
    }
    auto moment = read_moment();
    std::map<std::string, SamplePointer> samples;
    for (const auto& [key, entry] : due) {
        auto& sample = samples[entry->container->id()];
        if (!sample) sample = sample_at(*entry->container, moment);
        if (!deliver(*entry, sample, false)) unwatch(key);
    }
    Lock lock(mutex_);
    if (stopped_) return;
    // A machine that cannot keep up gets fewer samples, not more at once.
    next_tick_ = std::max(next_tick_ + interval, TimerQueue::Clock::now());
    schedule();
}

}  // namespace pila::engine
