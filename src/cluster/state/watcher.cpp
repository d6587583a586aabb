// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include "cluster/state/watcher_internal.h"

namespace pila::cluster::state {

Result<std::unique_ptr<Watch>> Hub::watch(std::string prefix, Revision after, std::function<void()> wake) {
    auto name = collection_of(prefix);
    if (name.empty()) return Error(Errc::Invalid, "watch " + prefix + ": no collection");
    auto watcher = std::make_unique<Watcher>(shared_from_this(), prefix, std::move(wake));
    Lock lock(mutex_);
    auto& watched = collection(name);
    if (after < watched.floor)
        return Error(Errc::Gone, fmt::format("watch {}: the changes after revision {} are not held any more, only "
                                             "those after {}",
                                             prefix, after, watched.floor));
    if (after > revision_)
        return Error(Errc::Unavailable,
                     fmt::format("watch {}: revision {} is in the future, now is {}", prefix, after, revision_));
    watcher->collection_ = &watched;
    watcher->next_ = watched.after(after);
    watcher->given_ = after;
    watcher->place_ = watched.watchers.size();
    watched.watchers.push_back(watcher.get());
    return std::unique_ptr<Watch>(std::move(watcher));
}

// Wakes each watcher that one of the changes from `news` on is for. Those they are not for have nothing to ask about:
// they are moved on, lest they fall out of the window asleep.
void Hub::notify(Collection& collection, std::uint64_t news, std::vector<std::shared_ptr<Waker>>& wakers) {
    auto begin = collection.changes.begin() + static_cast<std::ptrdiff_t>(news - collection.first);
    for (auto* watcher : collection.watchers) {
        bool wanted = std::any_of(begin, collection.changes.end(),
                                  [&](const Change& change) { return watcher->wants(change.event); });
        if (!wanted) {
            if (watcher->next_ == news) watcher->next_ = collection.end();
        } else if (!watcher->is_awake_) {
            watcher->is_awake_ = true;
            wakers.push_back(watcher->waker_);
        }
    }
}

Hub::Watcher::~Watcher() {
    if (collection_) {
        Lock lock(hub_->mutex_);
        auto& watchers = collection_->watchers;
        watchers.back()->place_ = place_;
        watchers[place_] = watchers.back();
        watchers.pop_back();
    }
    waker_->close();
}

Result<std::vector<Event>> Hub::Watcher::events(std::size_t most) {
    std::vector<Event> events;
    Lock lock(hub_->mutex_);
    is_awake_ = false;
    if (next_ < collection_->first)
        return Error(Errc::Gone,
                     fmt::format("watch {}: changes after revision {} have left the window", prefix_, given_));
    auto& changes = collection_->changes;
    for (; next_ < collection_->end() && events.size() < most; ++next_) {
        const auto& event = changes[next_ - collection_->first].event;
        if (wants(event)) events.push_back(event);
        given_ = event.object->revision;
    }
    return events;
}

Revision Hub::Watcher::revision() const {
    Lock lock(hub_->mutex_);
    return next_ == collection_->end() ? hub_->revision_ : given_;
}

}  // namespace pila::cluster::state
