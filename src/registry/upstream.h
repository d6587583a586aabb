// SPDX-License-Identifier: Apache-2.0
#pragma once
// The registry that this one is a cache of. What it says is believed only by digest; tags are asked for again each
// time, by HEAD, and are as they last were while it cannot be reached. Requests to it are made here from scratch, so
// that nothing of a client's reaches it, nor of its answers' headers a client. Threads: any.

#include <atomic>
#include <map>
#include <memory>

#include "base/mutex.h"
#include "base/work_queue.h"
#include "registry/fetch.h"
#include "registry/server.h"

namespace pila::registry {

struct Content;

class Upstream {
public:
    static Result<std::unique_ptr<Upstream>> create(const Options& options, Repositories& repositories);
    ~Upstream();

    // NotFound: it has no such thing, either.
    Result<StoredManifest> manifest(const Context& context, const std::string& name, const std::string& reference);
    enum class Want : std::uint8_t { Content, Size };  // Size: nothing is fetched
    Result<Content> blob(const Context& context, const std::string& name, const image::Digest& digest, Want want);
    Result<std::vector<std::string>> tags(const Context& context, const std::string& name);
    // Descriptors; of a registry without such lists those of the index that clients tag instead.
    Result<std::vector<std::string>> referrers(const Context& context, const std::string& name,
                                               const image::Digest& subject);

private:
    Upstream(const Options& options, Repositories& repositories);
    Result<std::shared_ptr<image::RegistrySession>> session(const Context& context);
    Result<image::RegistryConnection> connection(const Context& context, const std::string& name);
    Result<StoredManifest> fetch_manifest(const Context& context, const std::string& name, const std::string& reference,
                                          const std::string& tag);
    Result<image::Digest> current(const Context& context, const std::string& name, const std::string& tag);
    Result<std::shared_ptr<Fetch>> fetch(const Context& context, const std::string& name, const image::Digest& digest);
    std::string name_there(const std::string& name) const;

    Repositories& repositories_;
    image::RegistryPlace place_;
    image::RegistryAuth auth_;
    image::RegistryOptions registry_options_;
    std::stop_source stop_;
    std::atomic<std::int64_t> unreachable_until_{0};  // monotonic seconds: no use asking before

    Mutex mutex_;
    std::shared_ptr<image::RegistrySession> session_ GUARDED_BY(mutex_);
    std::map<std::string, std::shared_ptr<Fetch>> fetches_ GUARDED_BY(mutex_);
    WorkQueue fetchers_;  // last: joins before the others go
};

}  // namespace pila::registry
