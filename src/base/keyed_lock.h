// SPDX-License-Identifier: Apache-2.0
#pragma once
// Serialises work per key (one container, one image name, one network) without a mutex per object that must outlive it.
// Threads: any.

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/mutex.h"

namespace pila {

class KeyedLock {
public:
    class Guard {
    public:
        Guard(Guard&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), key_(std::move(other.key_)) {}
        Guard& operator=(Guard&&) = delete;
        ~Guard() {
            if (owner_) owner_->unlock(key_);
        }

    private:
        friend class KeyedLock;
        Guard(KeyedLock* owner, std::string key) : owner_(owner), key_(std::move(key)) {}
        KeyedLock* owner_;
        std::string key_;
    };

    // Waits until nobody else holds `key`.
    [[nodiscard]] Guard lock(std::string_view key) {
        std::string name(key);
        Lock lock(mutex_);
        auto& entry = entries_[name];
        ++entry.users;
        while (entries_[name].held) released_.wait(lock);
        entries_[name].held = true;
        return Guard(this, std::move(name));
    }

private:
    struct Entry {
        int users = 0;
        bool held = false;
    };

    void unlock(const std::string& key) {
        Lock lock(mutex_);
        auto entry = entries_.find(key);
        entry->second.held = false;
        if (--entry->second.users == 0) entries_.erase(entry);
        else released_.notify_all();
    }

    Mutex mutex_;
    Condition released_;
    std::unordered_map<std::string, Entry> entries_ GUARDED_BY(mutex_);
};

}  // namespace pila
