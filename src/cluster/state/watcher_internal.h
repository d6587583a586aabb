// SPDX-License-Identifier: Apache-2.0
#pragma once
// A watch is a place in its collection's changes: whether or not somebody watches, they are held once.

#include "cluster/state/hub.h"

namespace pila::cluster::state {

// Outlives its watch for as long as the writer may be about to call it.
struct Hub::Waker {
    explicit Waker(std::function<void()> function) : wake(std::move(function)) {}
    void run() {
        Lock lock(mutex);
        if (wake) wake();
    }
    void close() {
        Lock lock(mutex);
        wake = nullptr;
    }

    Mutex mutex;
    std::function<void()> wake GUARDED_BY(mutex);  // empty: nobody wants to know any more
};

class Hub::Watcher final : public Watch {
public:
    Watcher(std::shared_ptr<Hub> hub, std::string prefix, std::function<void()> wake)
        : hub_(std::move(hub)), prefix_(std::move(prefix)), waker_(std::make_shared<Waker>(std::move(wake))) {}
    ~Watcher() override;
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    Result<std::vector<Event>> events(std::size_t most) override;
    Revision revision() const override;

private:
    friend class Hub;
    bool wants(const Event& event) const { return event.object->key.starts_with(prefix_); }

    const std::shared_ptr<Hub> hub_;
    const std::string prefix_;
    const std::shared_ptr<Waker> waker_;
    // Guarded by the hub's mutex.
    Collection* collection_ = nullptr;
    std::size_t place_ = 0;   // in the collection's list of watchers
    std::uint64_t next_ = 0;  // number of the next change to look at
    Revision given_ = 0;      // everything up to it has been given
    bool is_awake_ = false;   // woken, and events() not asked since
};

}  // namespace pila::cluster::state
