// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one thread that changes things: takes all writes that wait, checks and numbers them one by one, commits them
// together, shows them to readers, then answers. Ends when it is destroyed, after what waits by then.

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "cluster/state/disk.h"
#include "cluster/state/hub.h"

namespace pila::cluster::state {

class Writer {
public:
    // The newest objects of each collection, as in the hub.
    using Trees = std::map<std::string, Tree, std::less<>>;

    // `disk` null: in memory only.
    Writer(std::shared_ptr<Hub> hub, std::unique_ptr<Disk> disk, Trees trees, std::size_t max_batch);
    ~Writer();
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    Result<ObjectPointer> write(Write write);

private:
    struct Pending {
        explicit Pending(Write asked) : write(std::move(asked)) {}
        Write write;
        Result<ObjectPointer> result = ObjectPointer();
        void wait();
        void answer();

    private:
        Mutex mutex_;
        Condition changed_;
        bool is_answered_ GUARDED_BY(mutex_) = false;
    };
    using Batch = std::vector<std::shared_ptr<Pending>>;
    struct Work;

    void run();
    Batch take();  // empty: the end
    void process(Batch& batch);
    Result<ObjectPointer> apply(Write& write, Work& work);
    Result<void> commit(Work& work);

    const std::shared_ptr<Hub> hub_;
    const std::unique_ptr<Disk> disk_;
    const std::size_t max_batch_;
    // The thread's own.
    Trees trees_;
    Revision revision_;
    std::uint64_t edit_ = 0;

    Mutex mutex_;
    Condition changed_;
    std::deque<std::shared_ptr<Pending>> waiting_ GUARDED_BY(mutex_);
    bool is_idle_ GUARDED_BY(mutex_) = false;
    bool is_stopping_ GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace pila::cluster::state
