// SPDX-License-Identifier: Apache-2.0
#pragma once
// Content that a request counts on while the collector runs beside it. Threads: any.

#include <map>
#include <set>

#include "base/mutex.h"
#include "image/digest.h"

namespace pila::registry {

class InFlight {
public:
    class Guard {
    public:
        Guard(InFlight* owner, image::Digest digest) : owner_(owner), digest_(std::move(digest)) {}
        Guard(Guard&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), digest_(other.digest_) {}
        Guard& operator=(Guard&&) = delete;
        ~Guard() {
            if (owner_) owner_->release(digest_);
        }

    private:
        InFlight* owner_;
        image::Digest digest_;
    };

    // First this, then look whether it is there: from then on it stays at least until the guard goes, and through the
    // rest of a collection that is under way, which may have looked for references before the new one was made.
    [[nodiscard]] Guard keep(const image::Digest& digest) {
        Lock lock(mutex_);
        ++users_[digest];
        if (collecting_) touched_.insert(digest);
        return Guard(this, digest);
    }

    void begin_collection() {
        Lock lock(mutex_);
        collecting_ = true;
        touched_.clear();
    }
    void end_collection() {
        Lock lock(mutex_);
        collecting_ = false;
        touched_.clear();
    }
    // Runs `remove` unless somebody counts on `digest`.
    template <typename Remove>
    bool unless_kept(const image::Digest& digest, const Remove& remove) {
        Lock lock(mutex_);
        if (users_.contains(digest) || touched_.contains(digest)) return false;
        remove();
        return true;
    }

private:
    void release(const image::Digest& digest) {
        Lock lock(mutex_);
        auto found = users_.find(digest);
        if (--found->second == 0) users_.erase(found);
    }

    Mutex mutex_;
    std::map<image::Digest, int> users_ GUARDED_BY(mutex_);
    std::set<image::Digest> touched_ GUARDED_BY(mutex_);
    bool collecting_ GUARDED_BY(mutex_) = false;
};

}  // namespace pila::registry
