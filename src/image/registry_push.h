// SPDX-License-Identifier: Apache-2.0
#pragma once
// One push: an image of the store to a name in a registry. Goes out exactly as it came in if that is still possible.

#include "image/image_store_internal.h"
#include "image/registry_client.h"
#include "image/registry_progress.h"

namespace pila::image {

class Pusher {
public:
    Pusher(Images& images, const RegistryOptions& options, const RegistryAuth& auth, const ProgressSink& progress)
        : images_(images), options_(options), auth_(auth), lines_(progress) {}

    Result<PushResult> run(const Context& context, const Reference& reference, const ImagePointer& image);

private:
    struct Plan {
        Manifest manifest;
        std::string bytes;
        Digest digest;
    };
    std::optional<Plan> original(const Context& context, RegistryConnection& connection, const Image& image,
                                 const std::string& repository);
    Result<Plan> compose(const Context& context, const Image& image);
    Result<LayerBlob> compress(const Context& context, const Digest& diff_id);
    Result<void> push_layers(const Context& context, RegistryConnection& connection, const Image& image,
                             const Plan& plan);
    Result<void> push_layer(const Context& context, RegistryConnection& connection, const LayerBlob& blob,
                            const std::string& id, const std::vector<std::string>& mount_from);
    Result<void> push_config(const Context& context, RegistryConnection& connection, const Image& image,
                             const Plan& plan);
    std::vector<std::string> mount_sources(const Image& image, const Reference& reference) const;

    Images& images_;
    const RegistryOptions& options_;
    const RegistryAuth& auth_;
    ProgressLines lines_;
    std::vector<std::string> mount_from_;
};

}  // namespace pila::image
