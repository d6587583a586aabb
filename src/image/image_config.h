// SPDX-License-Identifier: Apache-2.0
#pragma once
// Image configurations as JSON: Docker's image format v1.2, which OCI's image-spec config.md describes too. A
// configuration that came from outside is read, never written again: its bytes are its identity.

#include "image/image_store.h"

namespace pila::image {

inline constexpr std::size_t max_config_bytes = 8U << 20;

// Everything of an Image that its configuration says (not size, names, parent). The layers are rootfs.diff_ids.
Result<Image> parse_image_config(std::string json);

// A new configuration, of an image that is made here. `created` as RFC 3339 in config.created.
struct NewImage {
    ImageConfig config;
    std::vector<HistoryEntry> history;
    std::vector<Digest> layers;
    std::string container_id;  // of a commit
    std::optional<ImageConfig> container_config;
};
std::string write_image_config(const NewImage& image);

// What `uname -m` is called in image configurations: "amd64", "arm64", ...
std::string_view machine_architecture();

}  // namespace pila::image
