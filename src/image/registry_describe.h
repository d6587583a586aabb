// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a registry has under a name, without fetching it.

#include <vector>

#include "image/registry.h"

namespace pila::image {

struct RemoteImage {
    std::string media_type;
    Digest digest;
    std::uint64_t size = 0;  // of the manifest or index
    struct Platform {
        std::string os, architecture, variant;
    };
    std::vector<Platform> platforms;
};
Result<RemoteImage> describe_remote(const Context& context, const std::string& name, const RegistryAuth& auth,
                                    const RegistryOptions& options);

}  // namespace pila::image
