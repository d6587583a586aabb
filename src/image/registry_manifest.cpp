// SPDX-License-Identifier: Apache-2.0
#include "image/registry_manifest.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "image/image_config.h"

namespace pila::image {

namespace {

constexpr std::size_t max_layers = 512;
constexpr std::size_t max_entries = 1024;
constexpr std::uint64_t max_blob_bytes = 1ULL << 40;

Error wrong(std::string_view what) { return Error(Errc::Invalid, fmt::format("manifest: {}", what)); }

std::string text_of(const json::object& object, std::string_view key) {
    auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

Result<ManifestDescriptor> read_descriptor(const json::value& value) {
    if (!value.is_object()) return wrong("a descriptor that is not an object");
    const auto& object = value.get_object();
    ManifestDescriptor descriptor;
    descriptor.digest = TRY(Digest::parse(text_of(object, "digest")).in("manifest: descriptor"));
    auto* size = object.if_contains("size");
    if (!size || !size->is_int64() || size->get_int64() < 0 ||
        static_cast<std::uint64_t>(size->get_int64()) > max_blob_bytes)
        return wrong("a descriptor without a sensible size");
    descriptor.size = static_cast<std::uint64_t>(size->get_int64());
    descriptor.media_type = text_of(object, "mediaType");
    if (auto* platform = object.if_contains("platform"); platform && platform->is_object()) {
        const auto& from = platform->get_object();
        descriptor.platform = Platform{text_of(from, "os"), text_of(from, "architecture"), text_of(from, "variant")};
    }
    return descriptor;
}

Result<std::vector<ManifestDescriptor>> read_list(const json::object& object, std::string_view key, std::size_t most) {
    auto* list = object.if_contains(key);
    if (!list || !list->is_array()) return wrong(fmt::format("no list of {}", key));
    if (list->get_array().size() > most) return wrong(fmt::format("more than {} {}", most, key));
    std::vector<ManifestDescriptor> found;
    for (const auto& item : list->get_array()) found.push_back(TRY(read_descriptor(item)));
    return found;
}

json::object descriptor_of(const std::string& media_type, const Digest& digest, std::uint64_t size) {
    return {{"mediaType", media_type}, {"size", size}, {"digest", digest.text()}};
}

}  // namespace

Result<ParsedManifest> parse_manifest(std::string_view text, std::string_view content_type) {
    auto parsed = TRY(parse_json(text, {.max_bytes = max_manifest_bytes}).in("manifest"));
    if (!parsed.is_object()) return wrong("not an object");
    const auto& object = parsed.get_object();
    auto* version = object.if_contains("schemaVersion");
    if (version && version->is_int64() && version->get_int64() == 1)
        return Error(Errc::Unsupported, "Docker image manifest version 2, schema 1 is not supported");
    ParsedManifest result;
    result.media_type = text_of(object, "mediaType");
    if (result.media_type.empty()) result.media_type = trim(content_type.substr(0, content_type.find(';')));
    bool has_layers = object.contains("layers");
    bool has_manifests = object.contains("manifests");
    // OCI image-spec 1.1 "Media Type Conflicts": a document that is both could be read as either.
    if (has_layers == has_manifests) return wrong("neither an image manifest nor an index, or both");
    if (has_manifests) {
        result.manifests = TRY(read_list(object, "manifests", max_entries));
        return result;
    }
    Manifest manifest;
    manifest.media_type = result.media_type;
    auto* config = object.if_contains("config");
    if (!config) return wrong("no configuration");
    manifest.config = TRY(read_descriptor(*config));
    auto layers = TRY(read_list(object, "layers", max_layers));
    for (auto& layer : layers)
        manifest.layers.push_back({std::move(layer.digest), layer.size, std::move(layer.media_type)});
    result.manifest = std::move(manifest);
    return result;
}

Result<ManifestDescriptor> choose_platform(const std::vector<ManifestDescriptor>& manifests, const Platform& wanted) {
    const ManifestDescriptor* best = nullptr;
    int best_fitness = 0;
    for (const auto& entry : manifests) {
        if (!entry.platform) continue;
        int fit = entry.platform->fitness_for(wanted);
        if (fit <= best_fitness) continue;
        best = &entry;
        best_fitness = fit;
    }
    // An index with one entry that does not say for what: nothing else can be meant.
    if (!best && manifests.size() == 1 && !manifests.front().platform) best = &manifests.front();
    if (best) return *best;
    return Error(Errc::NotFound,
                 fmt::format("no matching manifest for {} in the manifest list entries", wanted.text()));
}

std::string write_manifest(const Manifest& manifest) {
    json::array layers;
    for (const auto& layer : manifest.layers)
        layers.push_back(descriptor_of(layer.media_type, layer.digest, layer.size));
    json::object document;
    document["schemaVersion"] = 2;
    document["mediaType"] = manifest.media_type;
    document["config"] = descriptor_of(manifest.config.media_type, manifest.config.digest, manifest.config.size);
    document["layers"] = std::move(layers);
    return json::serialize(document);
}

}  // namespace pila::image
