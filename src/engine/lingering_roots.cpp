// SPDX-License-Identifier: Apache-2.0
#include "engine/lingering_roots.h"

#include <sys/prctl.h>
#include <utility>

namespace pila::engine {

static constexpr std::chrono::milliseconds lingering_time{1000};

LingeringRoots::LingeringRoots() : thread_([this] { run(); }) {}

LingeringRoots::~LingeringRoots() {
    {
        Lock lock(mutex_);
        stopping_ = true;
        changed_.notify_all();
    }
    thread_.join();
}

void LingeringRoots::keep(const std::string& container_id, Fd root) {
    if (!root) return;
    Lock lock(mutex_);
    staying_.emplace(container_id, std::move(root));
    if (staying_.size() == 1) changed_.notify_all();
}

void LingeringRoots::let_go(const std::string& container_id) {
    Roots mine;
    {
        Lock lock(mutex_);
        while (closing_ == container_id) changed_.wait(lock);
        for (auto* roots : {&staying_, &leaving_})
            for (auto root = roots->find(container_id); root != roots->end(); root = roots->find(container_id))
                mine.insert(roots->extract(root));
    }
    mine.clear();  // takes as long as the disk does: without the lock
}

// false: it is time to end.
bool LingeringRoots::wait_for_some() {
    Lock lock(mutex_);
    while (staying_.empty() && !stopping_) changed_.wait(lock);
    auto until = std::chrono::steady_clock::now() + lingering_time;
    while (!stopping_ && changed_.wait_until(lock, until)) {
    }
    leaving_.merge(staying_);
    return !stopping_;
}

// Invalid: none is left.
Fd LingeringRoots::next_leaving() {
    Lock lock(mutex_);
    if (!std::exchange(closing_, {}).empty()) changed_.notify_all();
    if (leaving_.empty()) return {};
    auto root = leaving_.extract(leaving_.begin());
    closing_ = root.key();
    return std::move(root.mapped());
}

void LingeringRoots::run() {
    ::prctl(PR_SET_NAME, "unmounts");
    bool more = true;
    while (more) {
        more = wait_for_some();
        while (auto root = next_leaving()) root.reset();
    }
}

}  // namespace pila::engine
