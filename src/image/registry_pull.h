// SPDX-License-Identifier: Apache-2.0
#pragma once
// One pull: from a name to an image in the store.

#include <list>
#include <utility>

#include "base/keyed_lock.h"
#include "image/image_store_internal.h"
#include "image/registry_client.h"
#include "image/registry_progress.h"

namespace pila::image {

class Puller {
public:
    Puller(Images& images, KeyedLock& layer_locks, const RegistryOptions& options, const PullRequest& request,
           const ProgressSink& progress)
        : images_(images), layer_locks_(layer_locks), options_(options), request_(request), lines_(progress) {}

    Result<PullResult> run(const Context& context, const Reference& reference);

private:
    struct Found {  // what the name led to
        Digest digest;
        std::string index_bytes, manifest_bytes;
        Manifest manifest;
    };
    struct Layer {
        LayerBlob blob;
        Digest diff_id;
        std::string id;  // as people see it
    };

    Result<PullResult> pull_from(const Context& context, std::shared_ptr<RegistrySession> session,
                                 const Reference& reference);
    Result<PullResult> pull_name(const Context& context, RegistryConnection& connection, const Reference& reference);
    Result<Found> find_manifest(const Context& context, RegistryConnection& connection, const Reference& reference);
    Result<Image> fetch_config(const Context& context, RegistryConnection& connection, const Found& found);
    Result<void> check_config(const Image& image, const Found& found, const Reference& reference) const;
    Result<void> fetch_layers(const Context& context, RegistryConnection& connection, const Image& image,
                              const Found& found, const std::string& repository);
    Result<void> fetch_layer(const Context& context, RegistryConnection& connection, const Layer& layer);
    ImagePointer existing(const Digest& id);
    std::string scopes(const Reference& reference) const { return "repository:" + reference.path + ":pull"; }

    Images& images_;
    KeyedLock& layer_locks_;
    const RegistryOptions& options_;
    const PullRequest& request_;
    ProgressLines lines_;
    std::list<LayerPin> pins_;
};

}  // namespace pila::image
