// SPDX-License-Identifier: Apache-2.0
#pragma once
// Samples of running containers, once a second for as long as somebody watches: one sample a container however many
// watch it, no thread of its own, nothing at all when nobody does.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/timer_queue.h"
#include "base/work_queue.h"
#include "engine/container.h"
#include "engine/control_groups.h"
#include "engine/sample.h"

namespace pila::engine {

class StatsHub {
public:
    // `before`: null for a watcher's first. Both say nothing of a container that does not run. False: it has seen
    // enough.
    using Sink = std::function<bool(const SamplePointer& now, const SamplePointer& before)>;
    struct Watcher {
        Sink sink;
        std::function<void()> gone;  // the container was removed
    };

    StatsHub(TimerQueue& timers, WorkQueue& workers, const ControlGroups& groups)
        : timers_(timers), workers_(workers), groups_(groups) {}

    SamplePointer sample(const Container& container) const { return sample_at(container, read_moment()); }
    // The first sample comes at once. Calls of one watcher never overlap. After unwatch() one that has begun may still
    // be running.
    std::uint64_t watch(ContainerPointer container, Watcher watcher);
    void unwatch(std::uint64_t key);
    void forget(const std::string& container_id);  // removed: its watchers are told
    void stop();                                   // no tick from now on

private:
    struct Entry {
        ContainerPointer container;
        Watcher watcher;
        Mutex delivering;
        SamplePointer before GUARDED_BY(delivering);
        bool started GUARDED_BY(delivering) = false;  // has had its first, which is not the tick's
    };
    SamplePointer sample_at(const Container& container, const Moment& moment) const;
    // False: not wanted any more.
    static bool deliver(Entry& entry, const SamplePointer& sample, bool first);
    void schedule() REQUIRES(mutex_);
    void tick();

    TimerQueue& timers_;
    WorkQueue& workers_;
    const ControlGroups& groups_;
    Mutex mutex_;
    using Watchers = std::map<std::uint64_t, std::shared_ptr<Entry>>;
    Watchers watchers_ GUARDED_BY(mutex_);
    std::uint64_t next_key_ GUARDED_BY(mutex_) = 1;
    bool ticking_ GUARDED_BY(mutex_) = false, stopped_ GUARDED_BY(mutex_) = false;
    TimerQueue::Clock::time_point next_tick_ GUARDED_BY(mutex_);
};

}  // namespace pila::engine
