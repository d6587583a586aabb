// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "image/image_store_internal.h"
#include "image/tar_writer.h"

// What docker 25 and later write: an OCI layout with Docker's manifest.json beside it. Layers are uncompressed tars, so
// that their blobs are named by the diff ids and every reader finds them.
namespace pila::image {

namespace {

constexpr const char* layer_type = "application/vnd.oci.image.layer.v1.tar";
constexpr const char* config_type = "application/vnd.oci.image.config.v1+json";
constexpr const char* manifest_type = "application/vnd.oci.image.manifest.v1+json";
constexpr const char* index_type = "application/vnd.oci.image.index.v1+json";

struct Selected {
    ImagePointer image;
    std::vector<std::string> tags;  // those asked for
};

std::string blob_path(const Digest& digest) { return fmt::format("blobs/{}/{}", digest.algorithm(), digest.hex()); }

json::object descriptor(std::string_view type, const Digest& digest, std::uint64_t size) {
    return {{"mediaType", type}, {"digest", digest.text()}, {"size", size}};
}

class Saver {
public:
    Saver(LayerStore& layers, const Context& context, http::BodyWriter& out)
        : layers_(layers), context_(context), out_(out) {}

    Result<void> run(const std::vector<Selected>& selection) {
        std::list<LayerPin> pins;
        for (const auto& selected : selection)
            for (const auto& layer : selected.image->layers) {
                pins.push_back(layers_.pin(layer));
                // Nothing is sent before it is known that all can be.
                if (!layers_.has(layer))
                    return Error(Errc::Internal, fmt::format("layer {} of image {} is not there", layer.text(),
                                                             selected.image->id.text()));
            }
        TRY(directory("blobs/"));
        TRY(directory("blobs/sha256/"));
        json::array manifest, index;
        for (const auto& selected : selection) TRY(save_image(selected, manifest, index));
        json::object index_json{{"schemaVersion", 2}, {"mediaType", index_type}, {"manifests", std::move(index)}};
        TRY(file("index.json", json::serialize(index_json)));
        TRY(file("manifest.json", json::serialize(manifest)));
        TRY(file("oci-layout", R"({"imageLayoutVersion":"1.0.0"})"));
        return out_.write(tar_end());
    }

private:
    TarEntry entry_of(const std::string& path, std::uint64_t size) const {
        TarEntry entry;
        entry.path = path;
        entry.type = TarType::File;
        entry.mode = 0644;
        entry.size = size;
        entry.modified.tv_sec = static_cast<time_t>(std::max<std::int64_t>(created_.seconds(), 0));
        return entry;
    }

    Result<void> directory(const std::string& path) {
        auto entry = entry_of(path, 0);
        entry.type = TarType::Directory;
        entry.mode = 0755;
        auto header = TRY(tar_header(entry));
        return out_.write(header);
    }

    Result<void> file(const std::string& path, std::string_view content) {
        auto bytes = TRY(tar_header(entry_of(path, content.size())));
        bytes += content;
        bytes += tar_padding(content.size());
        return out_.write(bytes);
    }

    Result<void> blob(const Digest& digest, std::string_view content) {
        if (!written_.insert(digest).second) return {};
        return file(blob_path(digest), content);
    }

    Result<void> layer(const Digest& diff_id) {
        if (!written_.insert(diff_id).second) return {};
        auto size = layers_.tar_size(diff_id).value_or(0);
        auto reader = TRY(layers_.open_tar(diff_id));
        auto header = TRY(tar_header(entry_of(blob_path(diff_id), size)));
        TRY(out_.write(header));
        std::uint64_t sent = 0;
        std::vector<char> buffer(chunk_bytes);
        for (;;) {
            TRY(context_.check());
            auto got = TRY(reader->read(buffer.data(), buffer.size()));
            if (got == 0) break;
            sent += got;
            if (sent > size) break;
            TRY(out_.write({buffer.data(), got}));
        }
        if (sent != size) return Error(Errc::Internal, fmt::format("layer {} was changed on disk", diff_id.text()));
        return out_.write(tar_padding(size));
    }

    Result<void> save_image(const Selected& selected, json::array& manifest, json::array& index) {
        const auto& image = *selected.image;
        created_ = image.created;
        json::array paths, descriptors;
        json::object sources;
        for (const auto& diff_id : image.layers) {
            TRY(layer(diff_id));
            auto size = layers_.tar_size(diff_id).value_or(0);
            paths.emplace_back(blob_path(diff_id));
            descriptors.push_back(descriptor(layer_type, diff_id, size));
            sources[diff_id.text()] = descriptor(layer_type, diff_id, size);
        }
        TRY(blob(image.id, image.config_json));
        json::object oci{{"schemaVersion", 2},
                         {"mediaType", manifest_type},
                         {"config", descriptor(config_type, image.id, image.config_json.size())},
                         {"layers", std::move(descriptors)}};
        auto oci_text = json::serialize(oci);
        auto oci_digest = Digest::of(oci_text);
        TRY(blob(oci_digest, oci_text));

        json::object entry;
        entry["Config"] = blob_path(image.id);
        entry["RepoTags"] = selected.tags.empty()
                                ? json::value()
                                : json::value(json::array(selected.tags.begin(), selected.tags.end()));
        entry["Layers"] = std::move(paths);
        if (!sources.empty()) entry["LayerSources"] = std::move(sources);
        manifest.push_back(std::move(entry));
        auto described = descriptor(manifest_type, oci_digest, oci_text.size());
        if (selected.tags.empty()) index.push_back(described);
        for (const auto& tag : selected.tags) {
            auto reference = TRY(Reference::parse(tag));
            auto named = described;
            named["annotations"] = {
                {"io.containerd.image.name", fmt::format("{}/{}:{}", reference.domain, reference.path, reference.tag)},
                {"org.opencontainers.image.ref.name", reference.tag}};
            index.push_back(std::move(named));
        }
        return {};
    }

    LayerStore& layers_;
    const Context& context_;
    http::BodyWriter& out_;
    std::set<Digest> written_;
    WallTime created_;
};

bool has_tag_or_digest(std::string_view name) {
    auto slash = name.rfind('/');
    return name.substr(slash == std::string_view::npos ? 0 : slash).find_first_of(":@") != std::string_view::npos;
}

void select(std::vector<Selected>& selection, const ImagePointer& image, const std::string& tag) {
    auto known =
        std::find_if(selection.begin(), selection.end(), [&](const auto& one) { return one.image->id == image->id; });
    if (known == selection.end()) known = selection.insert(selection.end(), {image, {}});
    if (!tag.empty() && std::find(known->tags.begin(), known->tags.end(), tag) == known->tags.end())
        known->tags.push_back(tag);
}

}  // namespace

Result<void> Images::save(const Context& context, const std::vector<std::string>& names, http::BodyWriter& out) {
    std::vector<Selected> selection;
    for (const auto& name : names) {
        // A name alone means all its tags.
        if (!has_tag_or_digest(name) && !(name.size() == 64 && is_hex(name))) {
            auto reference = TRY(Reference::parse(name));
            auto prefix = reference.familiar_name() + ":";
            std::vector<std::pair<std::string, ImagePointer>> tagged;
            for (const auto& image : list())
                for (const auto& tag : image->tags)
                    if (tag.starts_with(prefix)) tagged.emplace_back(tag, image);
            std::sort(tagged.begin(), tagged.end());
            for (const auto& [tag, image] : tagged) select(selection, image, tag);
            if (!tagged.empty()) continue;
            auto image = by_prefix(name);
            if (!image) return Error(Errc::NotFound, "No such image: " + name);
            select(selection, image, "");
            continue;
        }
        auto image = find(name);
        bool by_name = name.find('@') == std::string::npos && !name.starts_with("sha256:") && name.size() != 64;
        if (!image && by_name && image.error().code() == Errc::NotFound)
            return Error(Errc::NotFound, "reference does not exist");
        if (!image) return image.take_error();
        select(selection, *image, by_name ? TRY(Reference::parse(name)).familiar() : "");
    }
    return Saver(*layers_, context, out).run(selection);
}

}  // namespace pila::image
