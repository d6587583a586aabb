// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which step led where: from the digest of everything a step depends on to the image it made. In the node store under
// "build/cache/", so that it survives the daemon; the images are steps of the image store (image_steps.cpp), and an
// entry whose image is gone counts for nothing. Threads: any.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/time.h"
#include "image/image_store.h"
#include "store/store.h"

namespace pila::build {

struct CacheEntry {
    image::Digest key, image;
    std::string description;
    WallTime created, last_used;
    std::int64_t uses = 0;
};

class Cache {
public:
    static Result<std::unique_ptr<Cache>> create(store::Store& store, image::ImageStore& images);

    // The image, pinned before it could go.
    struct Hit {
        image::ImagePointer image;
        std::shared_ptr<void> pin;
    };
    std::optional<Hit> find(const image::Digest& key);
    Result<void> put(const image::Digest& key, const image::Digest& image, const std::string& description);
    // Writes down when entries were used: once a build, not once a step.
    void save_uses();
    std::vector<CacheEntry> list();  // those whose image is there; others are forgotten
    Result<void> forget(const std::vector<image::Digest>& keys);

private:
    Cache(store::Store& store, image::ImageStore& images) : store_(store), images_(images) {}

    store::Store& store_;
    image::ImageStore& images_;
    Mutex mutex_;
    struct Kept {
        CacheEntry entry;
        bool unsaved = false;
    };
    std::map<image::Digest, Kept> entries_ GUARDED_BY(mutex_);
};

}  // namespace pila::build
