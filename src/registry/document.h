// SPDX-License-Identifier: Apache-2.0
#pragma once
// A manifest as the registry sees it: what it refers to, and what the list of referrers says of it. Docker schema 2 and
// lists, OCI manifests and indexes; whatever their configuration and layers are (charts, signatures, ...).

#include <optional>
#include <string>
#include <vector>

#include "image/digest.h"

namespace pila::registry {

inline constexpr std::size_t max_manifest_bytes = 4U << 20;

struct Document {
    std::string media_type, artifact_type;
    std::string annotations;               // a JSON object; "": none
    std::vector<image::Digest> blobs;      // that must be in the repository
    std::vector<image::Digest> manifests;  // of an index
    std::optional<image::Digest> subject;
};

// Invalid or Unsupported, in words for the one who pushed it.
Result<Document> read_document(std::string_view text, std::string_view content_type);

// Another registry's list of referrers (an index): their descriptors as we write them, with nothing else of it.
Result<std::vector<std::string>> read_referrers(std::string_view text);

// The descriptor in the list of its subject's referrers, as JSON.
std::string describe_referrer(const Document& document, const image::Digest& digest, std::size_t size);

}  // namespace pila::registry
