// SPDX-License-Identifier: Apache-2.0
#pragma once
// The cluster's objects: all of them in memory as the bytes that clients get, as they are and as they were as far back
// as the window of changes reaches; every change on disk before it is acknowledged, many in one commit. Knows nothing
// of kinds. Keys are "GROUP/RESOURCE/NAMESPACE/NAME" ("core/pods/default/web"; without NAMESPACE for what is in none);
// their first two parts are the collection. Threads: any.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::cluster::state {

using Revision = std::int64_t;

struct Object {
    std::string key;
    std::string bytes;       // JSON, its own revision in it
    std::string attributes;  // what selectors look at: opaque here
    Revision revision = 0;
    Revision create_revision = 0;
    std::uint32_t revision_at = 0;  // where in `bytes` the revision's digits begin
    bool is_deleted = false;        // the last state, under the revision of the deletion
};
using ObjectPointer = std::shared_ptr<const Object>;

struct Write {
    std::string key;
    std::optional<std::string> bytes;  // nullopt: delete
    std::uint32_t revision_at = 0;     // the new revision's digits are inserted here: between two quotes
    std::string attributes;
    std::optional<Revision> expect;  // Conflict unless the object is at this revision; 0: AlreadyExists if there
};

enum class EventType : std::uint8_t { Added, Modified, Deleted };

struct Event {
    EventType type = EventType::Added;
    ObjectPointer object;
    ObjectPointer previous;  // Modified, Deleted: to tell whether a selector matched before
};

struct Page {
    std::vector<ObjectPointer> objects;  // in order of their keys
    Revision revision = 0;               // of the whole list
    std::size_t remaining = 0;           // objects behind this page
};

struct Options {
    // How far the window of changes reaches, per collection: no further than any of these. The changes of a
    // collection's newest commit are always held.
    std::size_t window_events = 10'000;
    std::size_t window_bytes = 4U << 20;    // of states that have been superseded
    std::chrono::seconds window_time{300};  // looked at when something is written
    std::size_t max_batch = 1000;           // writes of one commit
};

// A place in the changes of one collection. `wake` runs on the writer's thread after a commit that changed something
// under the prefix, and not again before events() has been asked; it must not block, nor destroy the watch. Ask once
// after watch(): what happened since its revision woke nobody. Threads: one at a time.
class Watch {
public:
    virtual ~Watch() = default;  // no wake() runs any more once it has returned
    // The next events, at most `most`, in order of revisions. Fewer than `most`: there are no more yet, wake() comes
    // with them; as many: ask again. Gone: they have left the window. Quiet prefixes stay in it.
    virtual Result<std::vector<Event>> events(std::size_t most) = 0;
    // Everything up to it has been given: what a bookmark says. As new as the state once all has been given.
    virtual Revision revision() const = 0;
};

class State {
public:
    // `path`: of the database; "": in memory only (tests).
    static Result<std::unique_ptr<State>> open(const std::string& path, const Options& options = {});
    virtual ~State() = default;

    // Durable when it returns; the object as it is now, or, deleted, as it was last. NotFound: nothing to delete or
    // to change. Conflict, AlreadyExists: see Write. Exhausted: no room on disk, or more than
    // 64 MB; Internal: the disk fails; either way nothing changed. Invalid: this is no key.
    virtual Result<ObjectPointer> write(Write write) = 0;

    virtual ObjectPointer get(std::string_view key) const = 0;  // null: not there
    // Objects whose key begins with `prefix` (a collection's at least: "core/pods/"), after the key `after`; limit 0:
    // all. at 0: now; otherwise as it was at that revision: Gone if it left the window, Unavailable if it is in the
    // future.
    virtual Result<Page> list(std::string_view prefix, std::string_view after, std::size_t limit,
                              Revision at) const = 0;
    // Changes after `after` of objects whose key begins with `prefix` ("core/pods/", "core/pods/default/"). Gone:
    // they are not all there any more. Unavailable: `after` is in the future. May outlive the state.
    virtual Result<std::unique_ptr<Watch>> watch(std::string prefix, Revision after, std::function<void()> wake) = 0;

    virtual Revision revision() const = 0;
    // For /metrics: objects and their bytes; bytes of superseded states in the windows; commits and writes so far.
    struct Numbers {
        std::uint64_t objects = 0, bytes = 0, old_bytes = 0, commits = 0, writes = 0;
    };
    virtual Numbers numbers() const = 0;
};

}  // namespace pila::cluster::state
