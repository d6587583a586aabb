// SPDX-License-Identifier: Apache-2.0
#pragma once
// Something of the server's own that looks at every object of a kind, as it is now and whenever it changes: on a work
// queue, one at a time. Needs no thread of its own.

#include <functional>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/work_queue.h"
#include "cluster/state/state.h"

namespace pila::cluster::api {

class Follower : public std::enable_shared_from_this<Follower> {
public:
    // `look` gets what there is (as added) or what happened, some at a time. It may write.
    using Look = std::function<void(const std::vector<state::Event>&)>;
    Follower(state::State& state, WorkQueue& work, std::string prefix, Look look)
        : state_(state), work_(work), prefix_(std::move(prefix)), look_(std::move(look)) {}

    void start();  // begins with what is there
    // No look() begins any more once it has returned; the queue may still run an empty task.
    void stop();

private:
    void schedule();
    void run();
    bool step();
    Result<std::vector<state::Event>> next_events();

    state::State& state_;
    WorkQueue& work_;
    const std::string prefix_;
    const Look look_;
    Mutex mutex_;
    bool stopped_ GUARDED_BY(mutex_) = false;
    std::unique_ptr<state::Watch> watch_ GUARDED_BY(mutex_);
};

}  // namespace pila::cluster::api
