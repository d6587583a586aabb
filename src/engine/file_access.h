// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may have a container's file system at hand. One overlay must not be mounted twice over the same writable
// directory, so a start and whoever reads or writes a stopped container's files exclude each other; any number may look
// at a running one, whose file system is mounted already. Threads: any; a Hold may end on another than it began on.

#include <chrono>
#include <list>
#include <map>
#include <stop_token>
#include <string>
#include <utility>

#include "base/context.h"
#include "base/mutex.h"

namespace pila::engine {

class FileAccess {
    struct User {
        std::stop_source stop;
    };

public:
    enum class Use : std::uint8_t { Shared, Exclusive };

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
        bool exclusive = false;
    };
    void release(const std::string& id, std::list<User>::iterator user);
    void forget_if_idle(std::map<std::string, Entry>::iterator entry) REQUIRES(mutex_);
    bool wait_empty(Lock& lock, Entry& entry, MonotonicTime until) REQUIRES(mutex_);

    Mutex mutex_;
    Condition changed_;
    std::map<std::string, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace pila::engine
