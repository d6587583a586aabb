// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/text.h"
#include "image/archive_items.h"
#include "image/image_config.h"

namespace pila::image {

namespace {

Error invalid(std::string_view what) { return Error(Errc::Invalid, fmt::format("archive: {}", what)); }

std::string text_of(const json::object& object, std::string_view key) {
    auto* value = object.if_contains(key);
    return value && value->is_string() ? std::string(value->get_string()) : std::string();
}

const json::array* list_of(const json::object& object, std::string_view key) {
    auto* value = object.if_contains(key);
    return value && value->is_array() ? &value->get_array() : nullptr;
}

// One image as a manifest of either kind describes it.
struct ArchivedImage {
    std::string config_path;
    std::vector<std::string> layer_paths;
    std::vector<std::string> names;  // as written
};

struct Descriptor {
    Digest digest;
    std::uint64_t size = 0;
    std::string media_type, os, architecture, variant, name;
    std::string path() const { return fmt::format("blobs/{}/{}", digest.algorithm(), digest.hex()); }
};

class Loader {
public:
    Loader(Images& images, const Context& context, const ProgressSink& progress)
        : images_(images), progress_(progress), items_(images, context, progress) {}

    Result<std::vector<std::string>> run(http::BodyReader& archive) {
        TRY(items_.read(archive));
        std::vector<ArchivedImage> found;
        if (items_.find("manifest.json"))
            found = TRY(read_docker_manifest());
        else if (items_.find("index.json"))
            found = TRY(read_oci_index());
        else
            return invalid("neither manifest.json nor index.json in it: not an image archive");
        // All of them are checked before the first one is added.
        std::vector<Image> images;
        for (const auto& image : found) images.push_back(TRY(check_image(image)));
        for (std::size_t i = 0; i < found.size(); ++i) TRY(add(found[i], std::move(images[i])));
        return loaded_;
    }

private:
    Result<json::value> read_json(std::string_view path) {
        auto* item = TRY(items_.find(path));
        if (item->kind != ArchiveItem::Kind::Text) return invalid(fmt::format("{} is no JSON", path));
        return parse_json(item->text).in(fmt::format("archive: {}", path));
    }

    Result<std::vector<ArchivedImage>> read_docker_manifest();
    Result<std::vector<ArchivedImage>> read_oci_index();
    Result<Descriptor> read_descriptor(const json::value& value);
    Result<void> read_index(const json::value& index, const Descriptor& outer, int depth,
                            std::vector<ArchivedImage>& found);
    Result<ArchivedImage> read_oci_manifest(const json::object& manifest, const Descriptor& descriptor);
    Result<ArchiveItem*> checked_blob(const Descriptor& descriptor);
    Result<Image> check_image(const ArchivedImage& archived);
    Result<void> add(const ArchivedImage& archived, Image image);
    void say(std::string line) {
        if (progress_) progress_({.stream = std::move(line)});
    }

    Images& images_;
    const ProgressSink& progress_;
    ArchiveItems items_;
    std::vector<std::string> loaded_;
};

Result<std::vector<ArchivedImage>> Loader::read_docker_manifest() {
    auto manifest = TRY(read_json("manifest.json"));
    if (!manifest.is_array()) return invalid("manifest.json is not a list");
    std::vector<ArchivedImage> found;
    for (const auto& entry : manifest.get_array()) {
        if (!entry.is_object()) return invalid("manifest.json: an entry that is not an object");
        ArchivedImage image;
        image.config_path = text_of(entry.get_object(), "Config");
        if (image.config_path.empty()) return invalid("manifest.json: an image without Config");
        if (auto* layers = list_of(entry.get_object(), "Layers"))
            for (const auto& layer : *layers) {
                if (!layer.is_string()) return invalid("manifest.json: a layer that is not a path");
                image.layer_paths.emplace_back(layer.get_string());
            }
        if (auto* tags = list_of(entry.get_object(), "RepoTags"))
            for (const auto& tag : *tags)
                if (tag.is_string()) image.names.emplace_back(tag.get_string());
        found.push_back(std::move(image));
    }
    return found;
}

Result<Descriptor> Loader::read_descriptor(const json::value& value) {
    if (!value.is_object()) return invalid("a descriptor that is not an object");
    const auto& object = value.get_object();
    Descriptor descriptor;
    descriptor.digest = TRY(Digest::parse(text_of(object, "digest")).in("archive: descriptor"));
    auto* size = object.if_contains("size");
    if (!size || !size->is_number()) return invalid("a descriptor without size");
    boost::system::error_code failed;
    descriptor.size = size->to_number<std::uint64_t>(failed);
    if (failed) return invalid("a descriptor of impossible size");
    descriptor.media_type = text_of(object, "mediaType");
    if (auto* platform = object.if_contains("platform"); platform && platform->is_object()) {
        descriptor.os = text_of(platform->get_object(), "os");
        descriptor.architecture = text_of(platform->get_object(), "architecture");
        descriptor.variant = text_of(platform->get_object(), "variant");
    }
    if (auto* annotations = object.if_contains("annotations"); annotations && annotations->is_object()) {
        descriptor.name = text_of(annotations->get_object(), "io.containerd.image.name");
        auto reference = text_of(annotations->get_object(), "org.opencontainers.image.ref.name");
        // Some write a whole name there, others only the tag, which names nothing.
        if (descriptor.name.empty() && reference.find_first_of(":/") != std::string::npos) descriptor.name = reference;
    }
    return descriptor;
}

Result<ArchiveItem*> Loader::checked_blob(const Descriptor& descriptor) {
    auto* item = TRY(items_.find(descriptor.path()));
    if (item->size != descriptor.size)
        return invalid(fmt::format("blob {} has {} bytes, its descriptor says {}", descriptor.digest.text(), item->size,
                                   descriptor.size));
    return item;
}

Result<std::vector<ArchivedImage>> Loader::read_oci_index() {
    auto index = TRY(read_json("index.json"));
    std::vector<ArchivedImage> found;
    TRY(read_index(index, {}, 0, found));
    if (found.empty())
        return Error(Errc::NotFound, fmt::format("archive: no image for linux/{} in it", machine_architecture()));
    return found;
}

Result<void> Loader::read_index(const json::value& index, const Descriptor& outer, int depth,
                                std::vector<ArchivedImage>& found) {
    if (depth > 4) return invalid("indexes nested too deep");
    auto* manifests = index.is_object() ? list_of(index.get_object(), "manifests") : nullptr;
    if (!manifests) return invalid("an index without manifests");
    for (const auto& value : *manifests) {
        auto descriptor = TRY(read_descriptor(value));
        if (descriptor.name.empty()) descriptor.name = outer.name;
        bool foreign =
            !descriptor.os.empty() && (descriptor.os != "linux" || descriptor.architecture != machine_architecture());
        // A single image of another machine is loaded as Docker does; of several only our own is.
        if (foreign && (manifests->size() > 1 || descriptor.os == "unknown")) continue;
        auto* item = TRY(checked_blob(descriptor));
        auto content = TRY(parse_json(item->text).in("archive: " + descriptor.path()));
        if (!content.is_object()) return invalid("a manifest that is not an object");
        if (content.get_object().contains("manifests"))
            TRY(read_index(content, descriptor, depth + 1, found));
        else
            found.push_back(TRY(read_oci_manifest(content.get_object(), descriptor)));
    }
    return {};
}

Result<ArchivedImage> Loader::read_oci_manifest(const json::object& manifest, const Descriptor& descriptor) {
    ArchivedImage image;
    auto* config = manifest.if_contains("config");
    if (!config) return invalid(fmt::format("manifest {} has no configuration", descriptor.digest.text()));
    auto config_descriptor = TRY(read_descriptor(*config));
    TRY(checked_blob(config_descriptor));
    image.config_path = config_descriptor.path();
    auto* layers = list_of(manifest, "layers");
    if (!layers) return invalid(fmt::format("manifest {} has no layers", descriptor.digest.text()));
    for (const auto& layer : *layers) {
        auto layer_descriptor = TRY(read_descriptor(layer));
        auto* item = TRY(checked_blob(layer_descriptor));
        if (item->kind == ArchiveItem::Kind::Layer && !item->media_type.empty())
            item->media_type = layer_descriptor.media_type;
        image.layer_paths.push_back(layer_descriptor.path());
    }
    if (!descriptor.name.empty()) image.names.push_back(descriptor.name);
    return image;
}

// Whether configuration and layers belong together, before anything is kept.
Result<Image> Loader::check_image(const ArchivedImage& archived) {
    auto* config = TRY(items_.find(archived.config_path));
    if (config->kind != ArchiveItem::Kind::Text)
        return invalid(fmt::format("{} is no configuration", archived.config_path));
    auto image = TRY(parse_image_config(config->text).in("archive: " + printable(archived.config_path)));
    if (image.config.os != "linux")
        return Error(Errc::Invalid, fmt::format("cannot load {} image on linux", image.config.os));
    if (archived.layer_paths.size() != image.layers.size())
        return Error(Errc::Invalid, fmt::format("invalid manifest, layers length mismatch: expected {}, got {}",
                                                archived.layer_paths.size(), image.layers.size()));
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
        items_.pin(image.layers[i]);
        auto item = items_.find(archived.layer_paths[i]);
        if (!item) {
            if (images_.layers().has(image.layers[i])) continue;
            return item.take_error();
        }
        auto* layer = *item;
        if (layer->kind != ArchiveItem::Kind::Layer)
            return invalid(fmt::format("{} is no layer", archived.layer_paths[i]));
        if (layer->diff_id != image.layers[i])
            return Error(Errc::Invalid, fmt::format("invalid diffID for layer {}: expected \"{}\", got \"{}\"", i,
                                                    image.layers[i].text(), layer->diff_id.text()));
    }
    for (const auto& name : archived.names)
        TRY(Reference::parse(name).in(fmt::format("invalid tag \"{}\"", printable(name))));
    return image;
}

Result<void> Loader::add(const ArchivedImage& archived, Image image) {
    for (const auto& path : archived.layer_paths) {
        auto item = items_.find(path);
        if (item) TRY(items_.take_layer(**item));
    }
    Images::Names names;
    for (const auto& name : archived.names) names.tags.push_back(TRY(Reference::parse(name)).familiar());
    auto added = TRY(images_.add(std::move(image), names));
    for (const auto& [name, old] : added.renamed)
        say(fmt::format("The image {} already exists, renaming the old one with ID {} to empty string\n", name,
                        old.text()));
    for (const auto& name : names.tags) {
        say(fmt::format("Loaded image: {}\n", name));
        loaded_.push_back(name);
    }
    if (names.tags.empty()) {
        say(fmt::format("Loaded image ID: {}\n", added.image->id.text()));
        loaded_.push_back(added.image->id.text());
    }
    return {};
}

}  // namespace

Result<std::vector<std::string>> Images::load(const Context& context, http::BodyReader& archive,
                                              const ProgressSink& progress) {
    return Loader(*this, context, progress).run(archive);
}

}  // namespace pila::image
