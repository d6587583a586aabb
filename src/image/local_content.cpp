// SPDX-License-Identifier: Apache-2.0
#include "image/local_content.h"

#include <algorithm>
#include <set>

#include <fmt/core.h>

#include "image/image_store_internal.h"
#include "image/registry_manifest.h"
#include "image/text_reader.h"
#include "os/file.h"

namespace pila::image {

namespace {

class ConfigReader final : public TextReader {
public:
    explicit ConfigReader(ImagePointer image) : TextReader(image->config_json), image_(std::move(image)) {}

private:
    ImagePointer image_;
};

class PinnedReader final : public http::BodyReader {
public:
    PinnedReader(LayerPin pin, std::unique_ptr<http::BodyReader> tar) : pin_(std::move(pin)), tar_(std::move(tar)) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override { return tar_->read(buffer, size); }

private:
    LayerPin pin_;
    std::unique_ptr<http::BodyReader> tar_;
};

Error unknown(const std::string& repository, std::string_view what) {
    return Error(Errc::NotFound, fmt::format("{} of {} is not here", what, repository));
}

class Content final : public LocalContent {
public:
    explicit Content(Images& images) : images_(images) {}

    std::vector<std::string> repositories() override {
        std::set<std::string> found;
        for (const auto& image : images_.list())
            for (const auto& tag : image->tags) found.insert(tag.substr(0, tag.rfind(':')));
        return {found.begin(), found.end()};
    }

    std::vector<std::string> tags(const std::string& repository) override {
        std::vector<std::string> found;
        auto prefix = repository + ":";
        for (const auto& image : images_.list())
            for (const auto& tag : image->tags)
                if (tag.starts_with(prefix) && tag.find('/', prefix.size()) == std::string::npos)
                    found.push_back(tag.substr(prefix.size()));
        std::sort(found.begin(), found.end());
        return found;
    }

    Result<LocalManifest> manifest(const std::string& repository, const std::string& tag_or_digest) override {
        auto digest = Digest::parse(tag_or_digest);
        for (const auto& image : images_of(repository)) {
            const auto& tags = image->tags;
            bool named = std::find(tags.begin(), tags.end(), repository + ":" + tag_or_digest) != tags.end();
            if (!digest && !named) continue;
            auto found = TRY(manifest_of(*image, repository));
            if (!digest || found.digest == *digest) return found;
        }
        return unknown(repository, tag_or_digest);
    }

    Result<LocalBlob> blob(const std::string& repository, const Digest& digest) override {
        for (const auto& image : images_of(repository)) {
            if (image->id == digest)
                return LocalBlob{image->config_json.size(), "", [image]() -> Result<std::unique_ptr<http::BodyReader>> {
                                     return std::unique_ptr<http::BodyReader>(std::make_unique<ConfigReader>(image));
                                 }};
            for (const auto& diff_id : image->layers) {
                for (const auto& form : images_.layers().blobs(diff_id))
                    if (form.digest == digest && is_whole(form)) return LocalBlob{form.size, path_of(digest), {}};
                if (diff_id == digest && images_.layers().has(diff_id))
                    return LocalBlob{images_.layers().tar_size(diff_id).value_or(0), "",
                                     [this, diff_id] { return open(diff_id); }};
            }
        }
        return unknown(repository, digest.text());
    }

    std::string file_of(const Digest& digest) const override {
        auto layer = images_.layers().layer_of_blob(digest);
        if (!layer) return "";
        for (const auto& form : images_.layers().blobs(*layer))
            if (form.digest == digest && is_whole(form)) return path_of(digest);
        return "";
    }

private:
    std::string path_of(const Digest& digest) const { return images_.blobs().path(digest); }

    std::vector<ImagePointer> images_of(const std::string& repository) {
        auto found = images_.list();
        std::erase_if(found, [&](const auto& image) {
            return std::none_of(image->tags.begin(), image->tags.end(),
                                [&](const auto& tag) { return tag.substr(0, tag.rfind(':')) == repository; });
        });
        return found;
    }

    Result<std::unique_ptr<http::BodyReader>> open(const Digest& diff_id) const {
        auto pin = images_.layers().pin(diff_id);
        auto tar = TRY(images_.layers().open_tar(diff_id));
        return std::unique_ptr<http::BodyReader>(std::make_unique<PinnedReader>(std::move(pin), std::move(tar)));
    }

    // Blobs reach the disk some time after the image is there: a power cut between leaves them short.
    bool is_whole(const LayerBlob& form) const {
        auto size = images_.blobs().size(form.digest);
        return size && *size == form.size;
    }

    Result<LocalManifest> manifest_of(const Image& image, const std::string& repository) const {
        for (auto& bytes : images_.manifests_of(image, repository)) {
            auto parsed = parse_manifest(bytes, "");
            if (!parsed || !parsed->manifest || parsed->media_type.empty()) continue;
            const auto& layers = parsed->manifest->layers;
            if (std::all_of(layers.begin(), layers.end(), [&](const LayerBlob& blob) { return is_whole(blob); }))
                return LocalManifest{parsed->media_type, bytes, Digest::of(bytes)};
        }
        return compose(image);
    }

    // A compressed form counts only where there is no other: one that a push made later must not change the manifest.
    Result<LocalManifest> compose(const Image& image) const {
        Manifest manifest;
        manifest.media_type = media::oci_manifest;
        manifest.config = {image.id, image.config_json.size(), media::oci_config, std::nullopt};
        for (const auto& diff_id : image.layers) {
            if (!images_.layers().has(diff_id))
                return Error(Errc::Internal,
                             fmt::format("layer {} of image {} is not there", diff_id.text(), image.id.text()));
            auto forms = images_.layers().blobs(diff_id);
            bool unpacked = images_.layers().has_recipe(diff_id);
            auto usable = std::find_if(forms.begin(), forms.end(), [&](const auto& form) { return is_whole(form); });
            LayerBlob layer{diff_id, images_.layers().tar_size(diff_id).value_or(0), media::oci_layer};
            if (!unpacked && usable != forms.end()) layer = *usable;
            if (layer.media_type == media::docker_layer) layer.media_type = media::oci_layer_gzip;
            manifest.layers.push_back(std::move(layer));
        }
        auto bytes = write_manifest(manifest);
        auto digest = Digest::of(bytes);
        return LocalManifest{manifest.media_type, std::move(bytes), std::move(digest)};
    }

    Images& images_;
};

}  // namespace

std::unique_ptr<LocalContent> LocalContent::create(ImageStore& images) {
    // There is one ImageStore; Registry::create relies on it, too.
    return std::make_unique<Content>(static_cast<Images&>(images));
}

}  // namespace pila::image
