// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/follower.h"

#include "base/log.h"

namespace pila::cluster::api {

static constexpr std::size_t events_at_once = 100;

void Follower::start() { schedule(); }

void Follower::stop() {
    std::unique_ptr<state::Watch> last;  // ends outside of the lock
    Lock lock(mutex_);
    stopped_ = true;
    last = std::move(watch_);
}

void Follower::schedule() {
    work_.post([weak = weak_from_this()] {
        if (auto self = weak.lock()) self->run();
    });
}

void Follower::run() {
    while (step()) {
    }
}

// Objects as they are if the watch has to begin (anew), its events otherwise.
Result<std::vector<state::Event>> Follower::next_events() {
    Lock lock(mutex_);
    std::vector<state::Event> events;
    if (stopped_) return events;
    if (watch_) {
        auto more = watch_->events(events_at_once);
        if (more) return more;
        watch_.reset();
    }
    auto page = TRY(state_.list(prefix_, "", 0, 0));
    watch_ = TRY(state_.watch(prefix_, page.revision, [weak = weak_from_this()] {
        if (auto self = weak.lock()) self->schedule();
    }));
    for (auto& object : page.objects) events.push_back({state::EventType::Added, std::move(object), nullptr});
    schedule();  // what happened since the list woke nobody
    return events;
}

bool Follower::step() {
    auto events = next_events();
    if (!events) {
        log::error("follow {}: {}", prefix_, events.error().message());
        return false;
    }
    if (events->empty()) return false;
    look_(*events);
    return events->size() >= events_at_once;
}

}  // namespace pila::cluster::api
