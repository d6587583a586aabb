// SPDX-License-Identifier: Apache-2.0
#pragma once
// Every state change of every layer, with its cause, in one bounded sequence. Docker's /events is a view of it.
// In memory: the newest max_events of this daemon's life. Threads: any; subscribers run on the publisher's thread and
// must not block.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/mutex.h"
#include "base/time.h"

namespace pila::journal {

struct Event {
    WallTime time;
    std::string type;    // "container", "image", "network", "volume", "daemon"
    std::string action;  // "create", "start", "die", ...
    std::string id;
    std::map<std::string, std::string> attributes;
    std::string actor, cause;  // from the Context of the operation
};
using EventPointer = std::shared_ptr<const Event>;

class Journal {
public:
    static constexpr std::size_t max_events = 1024;  // four times what dockerd remembers; about 0.8 KB each

    void publish(Event event);
    // Of something that happened on behalf of an operation, now.
    void publish(const Context& context, std::string type, std::string action, std::string id,
                 std::map<std::string, std::string> attributes);

    using Subscriber = std::function<void(const EventPointer&)>;
    // `past` gets what is remembered from `since` on; nothing is missed or repeated between the two.
    std::uint64_t subscribe(WallTime since, std::vector<EventPointer>& past, Subscriber subscriber);
    std::size_t subscribers() const;
    void unsubscribe(std::uint64_t id);  // returns when the subscriber no longer runs

private:
    mutable Mutex mutex_;
    std::deque<EventPointer> events_ GUARDED_BY(mutex_);
    std::map<std::uint64_t, Subscriber> subscribers_ GUARDED_BY(mutex_);
    std::uint64_t next_id_ GUARDED_BY(mutex_) = 1;
};

}  // namespace pila::journal
