// SPDX-License-Identifier: Apache-2.0
#pragma once
// One collection of the state, followed: handlers hear of changes, and indexes find objects by what is written in
// them. Whoever asks an index first takes over what has happened until now, so a controller always finds what it wrote
// itself, and needs no expectations of what it has yet to see. Threads: any.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/mutex.h"
#include "cluster/schema/schema.h"
#include "cluster/state/state.h"

namespace pila::cluster::controllers {

namespace json = boost::json;
using state::ObjectPointer;

class Informer {
public:
    // No `before`: it is new; no `now`: it is gone. Runs under the informer's lock: it may read the state and add to
    // queues, nothing else, and no informer.
    using Handler = std::function<void(const ObjectPointer& before, const ObjectPointer& now)>;
    // Under which values an object is to be found. `word`: nothing to be found in objects whose text lacks it.
    struct Index {
        std::string name, word;
        std::function<std::vector<std::string>(const json::object& object)> values;
    };

    Informer(state::State& state, std::shared_ptr<const schema::Kind> kind);
    Informer(const Informer&) = delete;
    Informer& operator=(const Informer&) = delete;

    const schema::Kind& kind() const { return *kind_; }
    // Before start(); an index that is there already stays.
    void add_index(Index index);
    void add_handler(Handler handler);

    // Handlers hear of everything that is there. `wake` as state::Watch has it: catch_up() is due.
    Result<void> start(std::function<void()> wake);
    // Takes over what has happened: whether anything did.
    Result<bool> catch_up();
    std::vector<ObjectPointer> by(std::string_view index, std::string_view value);

private:
    struct Entry {
        ObjectPointer object;
        std::vector<std::string> places;  // in by_place_
    };

    Result<bool> catch_up_locked() REQUIRES(mutex_);
    Result<void> list_anew() REQUIRES(mutex_);
    void take_over(const std::string& key, ObjectPointer now) REQUIRES(mutex_);
    std::vector<std::string> places_of(const state::Object& object) const REQUIRES(mutex_);

    state::State& state_;
    const std::shared_ptr<const schema::Kind> kind_;  // keeps the definition that it is of
    const std::string prefix_;

    Mutex mutex_;
    std::vector<Index> indexes_ GUARDED_BY(mutex_);
    std::vector<Handler> handlers_ GUARDED_BY(mutex_);
    std::function<void()> wake_ GUARDED_BY(mutex_);
    std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
    std::unordered_map<std::string, std::set<std::string>> by_place_ GUARDED_BY(mutex_);
    std::unique_ptr<state::Watch> watch_ GUARDED_BY(mutex_);
};

// Every object of the kind is found by the uids of its owners ("owner") and of its controller ("controller").
Informer::Index owner_index();
Informer::Index controller_index();
// Those without a controller, by their namespace ("orphan").
Informer::Index orphan_index();

}  // namespace pila::cluster::controllers
