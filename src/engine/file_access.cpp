// SPDX-License-Identifier: Apache-2.0
#include "engine/file_access.h"

#include <algorithm>

namespace pila::engine {

bool FileAccess::Entry::keeps_out(Use use) const {
    return use != Use::Look && std::any_of(users.begin(), users.end(), [&](const User& user) {
               return user.use == Use::Alone || (user.use == Use::Write && use == Use::Alone);
           });
}

Result<FileAccess::Hold> FileAccess::hold(const Context& context, const std::string& id, Use use) {
    // Takes the mutex, so that a request to stop cannot fall between a check and the wait that follows it.
    std::stop_callback wake(context.stop, [this] {
        Lock lock(mutex_);
        changed_.notify_all();
    });
    Lock lock(mutex_);
    auto entry = entries_.try_emplace(id).first;
    ++entry->second.waiting;
    Result<void> wanted;
    while (entry->second.keeps_out(use) && (wanted = context.check())) {
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
    auto user = entry->second.users.insert(entry->second.users.end(), User{use, {}});
    return Hold(this, id, user);
}

void FileAccess::release(const std::string& id, std::list<User>::iterator user) {
    Lock lock(mutex_);
    auto entry = entries_.find(id);
    entry->second.users.erase(user);
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
