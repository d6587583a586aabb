// SPDX-License-Identifier: Apache-2.0
#include "engine/file_access.h"

namespace pila::engine {

Result<FileAccess::Hold> FileAccess::hold(const Context& context, const std::string& id, Use use) {
    // Takes the mutex, so that a request to stop cannot fall between a check and the wait that follows it.
    std::stop_callback wake(context.stop, [this] {
        Lock lock(mutex_);
        changed_.notify_all();
    });
    Lock lock(mutex_);
    auto entry = entries_.try_emplace(id).first;
    ++entry->second.waiting;
    auto blocked = [&] { return entry->second.exclusive || (use == Use::Exclusive && !entry->second.users.empty()); };
    Result<void> wanted;
    while (blocked() && (wanted = context.check())) {
        if (context.deadline)
            changed_.wait_until(lock, *context.deadline);
        else
            changed_.wait(lock);
    }
    --entry->second.waiting;
    if (!wanted) {
        forget_if_idle(entry);
        return wanted.take_error();
    }
    entry->second.exclusive = use == Use::Exclusive;
    auto user = entry->second.users.emplace(entry->second.users.end());
    return Hold(this, id, user);
}

void FileAccess::release(const std::string& id, std::list<User>::iterator user) {
    Lock lock(mutex_);
    auto entry = entries_.find(id);
    entry->second.users.erase(user);
    entry->second.exclusive = false;
    forget_if_idle(entry);
    changed_.notify_all();
}

void FileAccess::forget_if_idle(std::map<std::string, Entry>::iterator entry) {
    if (entry->second.users.empty() && entry->second.waiting == 0) entries_.erase(entry);
}

bool FileAccess::wait_empty(Lock& lock, Entry& entry, MonotonicTime until) {
    while (!entry.users.empty())
        if (!changed_.wait_until(lock, until)) return entry.users.empty();
    return true;
}

void FileAccess::clear_out(const std::string& id, std::chrono::milliseconds patience, std::chrono::milliseconds grace) {
    Lock lock(mutex_);
    auto entry = entries_.find(id);
    if (entry == entries_.end()) return;
    ++entry->second.waiting;
    if (!wait_empty(lock, entry->second, std::chrono::steady_clock::now() + patience)) {
        // Their callbacks may want what we hold: asked from a copy.
        std::list<std::stop_source> sources;
        for (auto& user : entry->second.users) sources.push_back(user.stop);
        for (auto& source : sources) source.request_stop();
        wait_empty(lock, entry->second, std::chrono::steady_clock::now() + grace);
    }
    --entry->second.waiting;
    forget_if_idle(entry);
}

}  // namespace pila::engine
