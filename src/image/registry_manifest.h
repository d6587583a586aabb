// SPDX-License-Identifier: Apache-2.0
#pragma once
// Manifests and indexes: Docker's v2 schema 2 and OCI's image-spec manifest.md and image-index.md.

#include <optional>
#include <string>
#include <vector>

#include "image/digest.h"
#include "image/image_store.h"
#include "image/layer_store.h"
#include "image/platform.h"

namespace pila::image {

inline constexpr std::size_t max_manifest_bytes = 4U << 20;  // OCI distribution specification, "Pushing Manifests"

namespace media {
inline constexpr const char* docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr const char* docker_list = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr const char* oci_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* oci_index = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* docker_config = "application/vnd.docker.container.image.v1+json";
inline constexpr const char* oci_config = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* docker_layer = "application/vnd.docker.image.rootfs.diff.tar.gzip";
inline constexpr const char* oci_layer_gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr const char* oci_layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr const char* oci_layer = "application/vnd.oci.image.layer.v1.tar";
}  // namespace media

struct ManifestDescriptor {
    Digest digest;
    std::uint64_t size = 0;
    std::string media_type;
    std::optional<Platform> platform;
};

struct Manifest {
    std::string media_type;
    ManifestDescriptor config;
    std::vector<LayerBlob> layers;
};

struct ParsedManifest {
    std::string media_type;
    std::optional<Manifest> manifest;           // either this
    std::vector<ManifestDescriptor> manifests;  // or the entries of an index
};

// `content_type` is what the registry called it, which counts where the document does not say itself.
Result<ParsedManifest> parse_manifest(std::string_view text, std::string_view content_type);

// The entry for a platform; NotFound in Docker's words. Variants: the best one that such a machine runs.
Result<ManifestDescriptor> choose_platform(const std::vector<ManifestDescriptor>& manifests, const Platform& wanted);

std::string write_manifest(const Manifest& manifest);

}  // namespace pila::image
