// SPDX-License-Identifier: Apache-2.0
#pragma once
// `logs -f`: one thread and one inotify descriptor serve every follower; nothing runs while nothing is logged. A client
// that does not keep up is waited for (its file stays where it is), never buffered without bound.

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/mutex.h"
#include "engine/engine.h"
#include "engine/log_files.h"
#include "engine/log_reader.h"

namespace pila::engine {

class LogFollower {
public:
    static Result<std::unique_ptr<LogFollower>> create();
    ~LogFollower();

    struct Start {
        std::string container_id, directory, log_path;
        std::deque<LogPart> parts;   // what is there already; then comes whatever follows `finished`
        std::uint64_t finished = 0;  // number of the last part that was read to its end
        LogFormatter formatter;
        std::shared_ptr<http::Stream> stream;
    };
    Result<void> add(Start start);
    // No more will come: what is there is sent, then the streams end.
    void container_ended(const std::string& container_id);

private:
    struct Follow {
        explicit Follow(Start what) : start(std::move(what)) {}
        Start start;
        int watch = -1;
        std::atomic<bool> ended{false};
        std::atomic<bool> client_gone{false};
    };
    LogFollower(Fd inotify, Fd wakeup) : inotify_(std::move(inotify)), wakeup_(std::move(wakeup)) {}
    void run();
    void drain_events();
    bool advance(Follow& follow, bool& behind);  // false: finished
    enum class Read : std::uint8_t { All, SlowClient, Finished };
    static Read read_part(Follow& follow, const LogPart& part);
    void wake();

    Fd inotify_, wakeup_;
    Mutex mutex_;
    std::vector<std::shared_ptr<Follow>> follows_ GUARDED_BY(mutex_);
    bool stopping_ GUARDED_BY(mutex_) = false;
    std::thread thread_;
};

}  // namespace pila::engine
