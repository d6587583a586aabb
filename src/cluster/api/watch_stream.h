// SPDX-License-Identifier: Apache-2.0
#pragma once
// One client's watch: events of the store, through selectors, in the client's form, as fast as it takes them. It holds
// a place in the changes, no queue of its own; who falls out of the window is told so (410) and lists again.

#include <chrono>
#include <optional>

#include "base/mutex.h"
#include "base/timer_queue.h"
#include "base/work_queue.h"
#include "cluster/api/selectors.h"
#include "cluster/api/show.h"

namespace pila::cluster::api {

struct WatchOptions {
    std::string prefix;  // of keys
    Selection selection;
    View view;
    state::Revision after = 0;
    std::vector<state::ObjectPointer> initial;  // told as ADDED before everything else
    bool bookmarks = false;
    bool marks_initial = false;  // a bookmark with the annotation behind them
    std::chrono::seconds lasts{1800};
    std::shared_ptr<const schema::Kind> keeps;  // the kind, as long as the watch
};

struct WatchMeans {
    state::State& state;
    WorkQueue& work;
    TimerQueue& timers;
};

class WatchStream : public std::enable_shared_from_this<WatchStream> {
public:
    WatchStream(const schema::Kind& kind, WatchOptions options, WatchMeans means);
    // Opens the place first, so that an answer of 410 is still possible.
    Outcome<void> open();
    void start(std::shared_ptr<http::Stream> stream);

private:
    void schedule();
    void run();
    bool step() REQUIRES(mutex_);  // false: nothing more for now
    void append_event(std::string& out, const state::Event& event) REQUIRES(mutex_);
    void arm() REQUIRES(mutex_);
    void on_timer();
    void end() REQUIRES(mutex_);

    const schema::Kind& kind_;
    const WatchMeans means_;

    std::atomic<bool> scheduled_ = false;
    Mutex mutex_;
    WatchOptions options_ GUARDED_BY(mutex_);
    EventWriter writer_ GUARDED_BY(mutex_);
    std::unique_ptr<state::Watch> watch_ GUARDED_BY(mutex_);
    std::shared_ptr<http::Stream> stream_ GUARDED_BY(mutex_);
    std::size_t next_initial_ GUARDED_BY(mutex_) = 0;
    bool initial_told_ GUARDED_BY(mutex_) = false;
    bool is_due_ GUARDED_BY(mutex_) = false;  // a bookmark, or the end
    std::uint64_t timer_ GUARDED_BY(mutex_) = 0;
    std::chrono::steady_clock::time_point ends_at_ GUARDED_BY(mutex_);
};

}  // namespace pila::cluster::api
