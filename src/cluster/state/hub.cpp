// SPDX-License-Identifier: Apache-2.0
#include "cluster/state/hub.h"

#include <algorithm>

#include "cluster/state/watcher_internal.h"

namespace pila::cluster::state {

std::uint64_t Hub::Collection::after(Revision revision) const {
    auto found = std::upper_bound(changes.begin(), changes.end(), revision,
                                  [](Revision r, const Change& change) { return r < change.event.object->revision; });
    return first + static_cast<std::uint64_t>(found - changes.begin());
}

Hub::Collection& Hub::collection(std::string_view name) {
    auto found = collections_.find(name);
    if (found == collections_.end()) {
        found = collections_.emplace(std::string(name), Collection()).first;
        found->second.floor = loaded_;
    }
    return found->second;
}

void Hub::load(std::string_view name, Tree tree, std::uint64_t bytes) {
    Lock lock(mutex_);
    numbers_.objects += tree.size();
    numbers_.bytes += bytes;
    collection(name).tree = std::move(tree);
}

void Hub::append(Collection& collection, Part& part, Time now) {
    std::swap(collection.tree, part.tree);  // the old one's nodes are freed without the lock
    for (auto& event : part.events) {
        std::size_t superseded = 0;
        if (event.type != EventType::Deleted) {
            ++numbers_.objects;
            numbers_.bytes += bytes_of(*event.object);
        } else {
            superseded += sizeof(Object) + bytes_of(*event.object);
        }
        if (event.previous) {
            --numbers_.objects;
            numbers_.bytes -= bytes_of(*event.previous);
            superseded += sizeof(Object) + bytes_of(*event.previous);
        }
        collection.superseded += superseded;
        numbers_.old_bytes += superseded;
        ++numbers_.writes;
        collection.changes.push_back({std::move(event), now, superseded});
    }
}

// The changes of the newest commit stay, whatever their size: everybody who keeps up shall see them.
void Hub::trim(Collection& collection, Time now, std::uint64_t keep, std::vector<Change>& trimmed) {
    while (collection.first < keep) {
        auto& oldest = collection.changes.front();
        if (collection.changes.size() <= options_.window_events && collection.superseded <= options_.window_bytes &&
            now - oldest.time <= options_.window_time)
            return;
        collection.superseded -= oldest.superseded;
        numbers_.old_bytes -= oldest.superseded;
        collection.floor = oldest.event.object->revision;
        trimmed.push_back(std::move(oldest));
        collection.changes.pop_front();
        ++collection.first;
    }
}

void Hub::publish(std::vector<Part> parts, Revision revision, Time now) {
    std::vector<Change> trimmed;
    std::vector<std::shared_ptr<Waker>> wakers;
    {
        Lock lock(mutex_);
        for (auto& part : parts) {
            auto& changed = collection(part.collection);
            auto news = changed.end();
            append(changed, part, now);
            notify(changed, news, wakers);
            trim(changed, now, news, trimmed);
        }
        revision_ = revision;
        ++numbers_.commits;
        // What is written no more keeps its window until something else is written.
        if (now - trimmed_at_ > options_.window_time / 16) {
            trimmed_at_ = now;
            for (auto& [name, idle] : collections_)
                if (!idle.changes.empty() && now - idle.changes.back().time > options_.window_time)
                    trim(idle, now, idle.end(), trimmed);
        }
    }
    for (auto& waker : wakers) waker->run();
}

ObjectPointer Hub::get(std::string_view key) const {
    Tree tree;
    {
        Lock lock(mutex_);
        auto found = collections_.find(collection_of(key));
        if (found == collections_.end()) return nullptr;
        tree = found->second.tree;
    }
    return tree.find(key);
}

Revision Hub::revision() const {
    Lock lock(mutex_);
    return revision_;
}

State::Numbers Hub::numbers() const {
    Lock lock(mutex_);
    return numbers_;
}

}  // namespace pila::cluster::state
