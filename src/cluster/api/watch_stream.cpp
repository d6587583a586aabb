// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/watch_stream.h"

#include <atomic>

namespace pila::cluster::api {

static constexpr std::size_t events_at_once = 200;
static constexpr std::size_t enough_queued = http::Stream::max_queued / 4;
static constexpr std::chrono::seconds bookmark_interval{60};
static constexpr std::chrono::milliseconds before_end{200};  // a bookmark just before the end saves a new list

WatchStream::WatchStream(const schema::Kind& kind, WatchOptions options, WatchMeans means)
    : kind_(kind), means_(means), options_(std::move(options)), writer_(kind, options_.view) {}

Outcome<void> WatchStream::open() {
    Lock lock(mutex_);
    std::weak_ptr<WatchStream> self = weak_from_this();
    auto wake = [self] {
        if (auto alive = self.lock()) alive->schedule();
    };
    watch_ = TRY(means_.state.watch(options_.prefix, options_.after, std::move(wake)));
    return {};
}

void WatchStream::start(std::shared_ptr<http::Stream> stream) {
    std::weak_ptr<WatchStream> self = weak_from_this();
    // The stream keeps us: it lets go when it is over.
    stream->on_closed([keep = shared_from_this()] {
        Lock lock(keep->mutex_);
        keep->end();
    });
    stream->on_drained([self] {
        if (auto alive = self.lock()) alive->schedule();
    });
    {
        Lock lock(mutex_);
        stream_ = std::move(stream);
        ends_at_ = std::chrono::steady_clock::now() + options_.lasts;
        arm();
    }
    schedule();
}

void WatchStream::schedule() {
    if (scheduled_.exchange(true)) return;
    means_.work.post([self = shared_from_this()] { self->run(); });
}

void WatchStream::run() {
    scheduled_ = false;
    Lock lock(mutex_);
    while (stream_ && step()) {
    }
}

// One helping of what there is to say.
bool WatchStream::step() {
    if (stream_->queued_bytes() > enough_queued) return false;  // on_drained goes on
    std::string out;
    if (next_initial_ < options_.initial.size()) {
        while (next_initial_ < options_.initial.size() && out.size() < enough_queued)
            writer_.append(out, "ADDED", *std::exchange(options_.initial[next_initial_++], nullptr));
        return stream_->write(out);
    }
    if (!initial_told_) {
        initial_told_ = true;
        options_.initial = {};
        if (options_.marks_initial) {
            writer_.append_bookmark(out, options_.after, true);
            if (!stream_->write(out)) return false;
            out.clear();
        }
    }
    auto events = watch_->events(events_at_once);
    if (!events) {
        writer_.append_error(out, expired("too old resource version: " + events.error().message()));
        stream_->write(out);
        end();
        return false;
    }
    for (const auto& event : *events) append_event(out, event);
    if (!out.empty() && !stream_->write(out)) return false;
    if (!events->empty()) return true;
    if (is_due_) {
        is_due_ = false;
        out.clear();
        if (options_.bookmarks) writer_.append_bookmark(out, watch_->revision(), false);
        if (!out.empty() && !stream_->write(out)) return false;
        if (std::chrono::steady_clock::now() + before_end >= ends_at_)
            end();
        else
            arm();
    }
    return false;
}

// With selectors: what begins to match comes into being for this client, what ceases to is gone.
void WatchStream::append_event(std::string& out, const state::Event& event) {
    bool is = event.type != state::EventType::Deleted && options_.selection.matches(event.object->attributes);
    bool was = event.type != state::EventType::Added && event.previous &&
               options_.selection.matches(event.previous->attributes);
    if (is)
        writer_.append(out, was ? "MODIFIED" : "ADDED", *event.object);
    else if (was)
        writer_.append(out, "DELETED", *event.object);
}

void WatchStream::arm() {
    auto now = std::chrono::steady_clock::now();
    auto next = std::min(ends_at_ - before_end, now + std::chrono::steady_clock::duration(bookmark_interval));
    std::weak_ptr<WatchStream> self = weak_from_this();
    timer_ = means_.timers.post_at(next, [self] {
        if (auto alive = self.lock()) alive->on_timer();
    });
}

void WatchStream::on_timer() {
    {
        Lock lock(mutex_);
        is_due_ = true;
    }
    schedule();
}

void WatchStream::end() {
    if (!stream_) return;
    means_.timers.cancel(timer_);
    auto stream = std::exchange(stream_, nullptr);
    stream->finish();
    watch_.reset();
}

}  // namespace pila::cluster::api
