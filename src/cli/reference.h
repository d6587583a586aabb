// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names of images as people write them, and in full.

#include <string>
#include <string_view>

#include "base/result.h"

namespace pila::cli {

struct Reference {
    std::string domain;  // "docker.io"
    std::string path;    // "library/busybox"
    std::string tag, digest;

    std::string name() const { return domain + "/" + path; }
    std::string familiar_name() const;  // "busybox"
    std::string familiar() const;       // with tag and digest
    std::string full() const;
};

// Errors are the API's words: "invalid reference format", "... must be lowercase".
Result<Reference> parse_reference(std::string_view text);
bool is_image_id(std::string_view text);  // sha256:<64 digits> or 64 digits

}  // namespace pila::cli
