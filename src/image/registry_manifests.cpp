// SPDX-License-Identifier: Apache-2.0
// The manifests that images came with: blobs that a digest reference ("busybox@sha256:...") leads to, directly or
// through an index.
#include <algorithm>

#include "image/image_store_internal.h"
#include "image/registry_manifest.h"

namespace pila::image {

namespace {

// The blob itself, and if it is an index what of its entries is there.
void follow(const BlobStore& blobs, const std::string& repo_digest, std::map<Digest, std::string>& found) {
    auto at = repo_digest.find('@');
    auto digest = at == std::string::npos ? Result<Digest>(Digest()) : Digest::parse(repo_digest.substr(at + 1));
    if (!digest || digest->empty() || found.contains(*digest) || !blobs.has(*digest)) return;
    auto bytes = blobs.read(*digest, max_manifest_bytes);
    if (!bytes) return;
    auto parsed = parse_manifest(*bytes, "");
    found.emplace(*digest, bytes.take());
    if (!parsed) return;
    for (const auto& entry : parsed->manifests) {
        if (found.contains(entry.digest) || !blobs.has(entry.digest)) continue;
        auto child = blobs.read(entry.digest, max_manifest_bytes);
        // An index may name any digest: only what is a manifest counts as one.
        if (child && parse_manifest(*child, "")) found.emplace(entry.digest, child.take());
    }
}

}  // namespace

std::vector<std::string> Images::manifests_of(const Image& image, const std::string& repository) const {
    auto names = image.repo_digests;
    std::stable_partition(names.begin(), names.end(),
                          [&](const auto& name) { return name.starts_with(repository + "@"); });
    std::vector<std::string> manifests;
    std::set<Digest> seen;
    for (const auto& name : names) {
        std::map<Digest, std::string> found;
        follow(*blobs_, name, found);
        for (auto& [digest, bytes] : found) {
            auto parsed = parse_manifest(bytes, "");
            bool ours = parsed && parsed->manifest && parsed->manifest->config.digest == image.id;
            if (ours && seen.insert(digest).second) manifests.push_back(std::move(bytes));
        }
    }
    return manifests;
}

std::set<Digest> Images::manifest_blobs(const std::vector<ImagePointer>& images) const {
    std::map<Digest, std::string> found;
    for (const auto& image : images)
        for (const auto& name : image->repo_digests) follow(*blobs_, name, found);
    std::set<Digest> digests;
    for (const auto& [digest, bytes] : found) digests.insert(digest);
    return digests;
}

Result<void> Images::forget_manifests(std::set<Digest> candidates) {
    for (const auto& digest : manifest_blobs(list())) candidates.erase(digest);
    for (const auto& digest : candidates)
        if (!layers_->layer_of_blob(digest)) TRY(blobs_->remove(digest));
    return {};
}

}  // namespace pila::image
