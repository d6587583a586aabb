// SPDX-License-Identifier: Apache-2.0
#include "journal/journal.h"

namespace pila::journal {

void Journal::publish(Event event) {
    if (event.time.nanoseconds == 0) event.time = now_wall();
    auto shared = std::make_shared<const Event>(std::move(event));
    Lock lock(mutex_);
    events_.push_back(shared);
    if (events_.size() > max_events) events_.pop_front();
    for (auto& [id, subscriber] : subscribers_) subscriber(shared);
}

void Journal::publish(const Context& context, std::string type, std::string action, std::string id,
                      std::map<std::string, std::string> attributes) {
    publish(
        {{}, std::move(type), std::move(action), std::move(id), std::move(attributes), context.actor, context.cause});
}

std::uint64_t Journal::subscribe(WallTime since, std::vector<EventPointer>& past, Subscriber subscriber) {
    Lock lock(mutex_);
    for (const auto& event : events_)
        if (event->time >= since) past.push_back(event);
    auto id = next_id_++;
    subscribers_.emplace(id, std::move(subscriber));
    return id;
}

std::size_t Journal::subscribers() const {
    Lock lock(mutex_);
    return subscribers_.size();
}

void Journal::unsubscribe(std::uint64_t id) {
    Subscriber gone;  // destroyed after the lock: what it holds may have a lot to do
    Lock lock(mutex_);
    auto found = subscribers_.find(id);
    if (found == subscribers_.end()) return;
    gone = std::move(found->second);
    subscribers_.erase(found);
}

}  // namespace pila::journal
