// SPDX-License-Identifier: Apache-2.0
#pragma once
// Images from Dockerfiles: what docker's classic builder does, and what of BuildKit's instructions needs no BuildKit.
//
// Files below DATA_DIR: tmp/build-*/ (the context and what steps need while they run; emptied by the image store's
// recover()), build-cache/HEX/ (RUN --mount=type=cache); below RUN_DIR: build-*/ (secrets). Node store: "build/cache/"
// (cache.h). Containers of RUN are the engine's, of Lifetime::Operation. Threads: any may call; a build uses its
// caller's and at most three more.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/keyed_lock.h"
#include "base/mutex.h"
#include "build/arguments.h"
#include "build/build_context.h"
#include "build/cache.h"
#include "build/stages.h"
#include "engine/engine.h"
#include "image/registry.h"

namespace pila::build {

struct BuildRequest {
    std::vector<std::string> tags;  // familiar names
    std::string dockerfile;         // "": Dockerfile
    std::string remote;             // a URL in place of the body
    GivenArguments arguments;
    std::vector<std::pair<std::string, std::string>> labels;  // sorted
    std::string target, platform, network_mode;
    bool no_cache = false, pull = false, squash = false;
    bool remove = true, force_remove = false;  // containers of RUN: those that ended well; all
    std::vector<std::string> cache_from;
    std::string host_config_json;                            // limits, ShmSize, Ulimits, ExtraHosts: as of a container
    std::map<std::string, image::RegistryAuth> credentials;  // by server
    std::map<std::string, std::string> secrets;
    std::string id;  // for cancel(); "": none
};

// A line of `system df`.
struct CacheUse {
    std::string id, parent, type, description;
    bool in_use = false, shared = false;
    std::uint64_t size = 0;
    WallTime created, last_used;
    std::int64_t uses = 0;
};

struct CachePruned {
    std::vector<std::string> deleted;
    std::uint64_t reclaimed = 0;
};

class Job;

class Builder {
public:
    // After the engine's recover().
    static Result<std::unique_ptr<Builder>> create(engine::Engine& engine);
    ~Builder();

    // Reads the context and everything that can be wrong before the first step.
    Result<std::shared_ptr<Job>> prepare(const Context& context, BuildRequest request, http::BodyReader* body);
    bool cancel(const std::string& id);

    std::vector<CacheUse> usage();
    // Unless `all`: what no image is made of. Steps of running builds stay. `until`: not what was used later.
    Result<CachePruned> prune(bool all, WallTime until, const std::set<std::string>& ids);

    engine::Engine& engine() { return engine_; }
    Cache& cache() { return *cache_; }
    // A directory of RUN --mount=type=cache; made if missing.
    struct CacheDirectory {
        std::string path;
        bool fresh = false;
        std::shared_ptr<void> held;
    };
    enum class Sharing : std::uint8_t { Shared, Private, Locked };
    Result<CacheDirectory> cache_directory(const Context& context, const std::string& id, Sharing sharing);

private:
    friend class Job;
    explicit Builder(engine::Engine& engine) : engine_(engine) {}
    std::vector<image::ImagePointer> steps_without_image();
    Result<void> prune_directories(CachePruned& pruned, WallTime until, const std::set<std::string>& ids);

    engine::Engine& engine_;
    std::unique_ptr<Cache> cache_;
    KeyedLock directory_locks_;
    Mutex mutex_;
    Condition released_;
    std::map<std::string, int> directories_in_use_ GUARDED_BY(mutex_);
    std::multimap<std::string, std::stop_source> running_ GUARDED_BY(mutex_);
};

}  // namespace pila::build
