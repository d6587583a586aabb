// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may have a container's file system at hand. Two overlays must not both write to the same directory, so a start,
// and whoever has a stopped container's file system mounted, is alone with it; a running one is mounted already.
// Who only looks at a running one stands in nobody's way, however slowly it reads: not even in that of its next start.
// Threads: any; a Hold may end on another than it began on.

#include <chrono>
#include <cstdint>
#include <list>
#include <map>
#include <stop_token>
#include <string>
#include <utility>

#include "base/context.h"
#include "base/mutex.h"

namespace pila::engine {

class FileAccess {
public:
    enum class Use : std::uint8_t { Look, Write, Alone };  // the first two: while it runs

private:
    struct User {
        Use use;
        std::stop_source stop;
    };

public:
    class Hold {
    public:
        Hold(Hold&& other) noexcept
            : owner_(std::exchange(other.owner_, nullptr)), id_(std::move(other.id_)), user_(other.user_) {}
        Hold& operator=(Hold&&) = delete;
        ~Hold() {
            if (owner_) owner_->release(id_, user_);
        }
        // Asked to end: the container is being removed.
        std::stop_token stop() const { return user_->stop.get_token(); }

    private:
        friend class FileAccess;
        Hold(FileAccess* owner, std::string id, std::list<User>::iterator user)
            : owner_(owner), id_(std::move(id)), user_(user) {}
        FileAccess* owner_;
        std::string id_;
        std::list<User>::iterator user_;
    };

    // Waits for the others as long as the context has a use for it.
    Result<Hold> hold(const Context& context, const std::string& id, Use use);
    // Gives who is there `patience`, then asks them to stop, and returns when they have or `grace` is over.
    void clear_out(const std::string& id, std::chrono::milliseconds patience, std::chrono::milliseconds grace);

private:
    struct Entry {
        std::list<User> users;
        int waiting = 0;
        bool keeps_out(Use use) const;
    };
    void release(const std::string& id, std::list<User>::iterator user);
    void forget_if_idle(std::map<std::string, Entry>::iterator entry) REQUIRES(mutex_);
    bool wait_empty(Lock& lock, Entry& entry, MonotonicTime until) REQUIRES(mutex_);

    Mutex mutex_;
    Condition changed_;
    std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace pila::engine
