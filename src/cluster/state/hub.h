// SPDX-License-Identifier: Apache-2.0
#pragma once
// What has been committed: the newest objects of each collection and the window of changes before them. One mutex,
// held for swapping and copying pointers only. An older state is the newest with the window's changes undone.
// Threads: any; publish() is the writer's.

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "cluster/state/object.h"
#include "cluster/state/tree.h"

namespace pila::cluster::state {

class Hub : public std::enable_shared_from_this<Hub> {
public:
    using Time = std::chrono::steady_clock::time_point;

    // A collection's part of a commit.
    struct Part {
        std::string_view collection;
        Tree tree;  // with the changes in it
        std::vector<Event> events;
    };

    Hub(const Options& options, Revision revision) : options_(options), loaded_(revision), revision_(revision) {}

    void load(std::string_view collection, Tree tree, std::uint64_t bytes);  // before anybody reads
    // Shows the commit to readers, all of it at once, and wakes who watches.
    void publish(std::vector<Part> parts, Revision revision, Time now);

    ObjectPointer get(std::string_view key) const;
    Result<Page> list(std::string_view prefix, std::string_view after, std::size_t limit, Revision at) const;
    Result<std::unique_ptr<Watch>> watch(std::string prefix, Revision after, std::function<void()> wake);
    Revision revision() const;
    State::Numbers numbers() const;

private:
    class Watcher;
    struct Waker;
    struct Change {
        Event event;
        Time time;
        std::size_t superseded;  // bytes that are held for this change only
    };
    struct Collection {
        Tree tree;
        std::deque<Change> changes;
        std::uint64_t first = 0;     // number of the oldest change held
        Revision floor = 0;          // changes up to it are gone
        std::size_t superseded = 0;  // of all changes held
        std::vector<Watcher*> watchers;

        std::uint64_t end() const { return first + changes.size(); }
        // The number of the first change after `revision`.
        std::uint64_t after(Revision revision) const;
    };
    struct Snapshot;

    Collection& collection(std::string_view name) REQUIRES(mutex_);
    void append(Collection& collection, Part& part, Time now) REQUIRES(mutex_);
    void notify(Collection& collection, std::uint64_t news, std::vector<std::shared_ptr<Waker>>& wakers)
        REQUIRES(mutex_);
    void trim(Collection& collection, Time now, std::uint64_t keep, std::vector<Change>& trimmed) REQUIRES(mutex_);
    Result<Snapshot> snapshot(std::string_view prefix, std::string_view after, Revision at) const;

    const Options options_;
    const Revision loaded_;
    mutable Mutex mutex_;
    std::map<std::string, Collection, std::less<>> collections_ GUARDED_BY(mutex_);  // for ever
    Revision revision_ GUARDED_BY(mutex_);
    Time trimmed_at_ GUARDED_BY(mutex_);
    State::Numbers numbers_ GUARDED_BY(mutex_);
};

}  // namespace pila::cluster::state
