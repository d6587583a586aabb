// SPDX-License-Identifier: Apache-2.0
#pragma once
// What every controller is: something that is told a key and makes the world, as far as that key is concerned, what its
// object wishes. It remembers nothing that matters: the next sync() sees all there is.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "cluster/controllers/client.h"
#include "cluster/controllers/informers.h"
#include "cluster/controllers/queue.h"
#include "cluster/controllers/recorder.h"
#include "cluster/controllers/seen.h"

namespace pila::cluster::controllers {

struct Means {
    api::Registry& registry;
    const api::Directory& directory;
    Informers& informers;
    Queue& queue;
    std::function<std::int64_t()> now;  // microseconds since 1970; tests have a clock of their own
};

class Controller {
public:
    Controller(const Means& means, std::string name)
        : means_(means), name_(std::move(name)), client_(means_.registry, name_), events_(client_, name_) {}
    virtual ~Controller() = default;
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;

    const std::string& name() const { return name_; }
    // The same key is never with two threads at once. An error: it comes again, later each time.
    virtual Outcome<void> sync(const std::string& key) = 0;

protected:
    // Safe in handlers of informers. Tasks of all controllers share one queue: "NAME|KEY".
    void enqueue(std::string_view key) { means_.queue.add(name_ + "|" + std::string(key)); }
    void enqueue_after(std::string_view key, std::int64_t seconds) {
        means_.queue.add_after(name_ + "|" + std::string(key), std::chrono::seconds(seconds));
    }
    // Calls sync() with the name of every object of the kind that comes, changes or goes.
    void follow(const schema::Kind& kind);

    const Means means_;
    const std::string name_;
    const Client client_;
    Recorder events_;
};

// "core/pods/default/web" of a collection "core/pods/": "default/web".
std::string name_key(const schema::Kind& kind, const state::Object& object);

// The references to owners as they stand in the text, so that most changes need not be read.
std::string_view raw_owners(const state::Object& object);

}  // namespace pila::cluster::controllers
