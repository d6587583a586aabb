// SPDX-License-Identifier: Apache-2.0
#pragma once
// For which machines an image is: OCI image-spec image-index.md, "platform".

#include <string>
#include <string_view>

#include "base/result.h"

namespace pila::image {

struct Platform {
    std::string os, architecture, variant;
    // "linux/arm64/v8", "linux", "arm64", with the usual other names ("x86_64"); "" is this machine's.
    static Result<Platform> parse(std::string_view text);
    std::string text() const;
    // Higher is better; 0: is not what is wanted. An image without variant runs on any machine of its architecture.
    int fitness_for(const Platform& wanted) const;
};

}  // namespace pila::image
