// SPDX-License-Identifier: Apache-2.0
#include "image/image_store.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/failpoint.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "image/image_config.h"
#include "image/image_store_internal.h"
#include "os/file.h"

namespace pila::image {

static constexpr std::string_view record_prefix = "image/";

std::string short_id(std::string_view id) {
    auto colon = id.find(':');
    return std::string(id.substr(colon == std::string_view::npos ? 0 : colon + 1).substr(0, 12));
}

std::vector<Digest> chain_ids(const std::vector<Digest>& diff_ids) {
    std::vector<Digest> chain;
    for (const auto& diff_id : diff_ids)
        chain.push_back(chain.empty() ? diff_id : Digest::of(chain.back().text() + " " + diff_id.text()));
    return chain;
}

static json::array array_of(const std::vector<std::string>& texts) { return json::array(texts.begin(), texts.end()); }

static std::string record_of(const Image& image, bool hidden) {
    json::object record;
    record["tags"] = array_of(image.tags);
    record["digests"] = array_of(image.repo_digests);
    record["tagged"] = image.last_tagged.nanoseconds;
    if (!image.parent.empty()) record["parent"] = image.parent.text();
    if (hidden) record["hidden"] = true;
    if (image.step) record["step"] = true;
    return json::serialize(record) + "\n" + image.config_json;
}

struct ReadRecord {
    Image image;
    bool hidden = false;
};

static std::vector<std::string> texts_in(const json::object& object, std::string_view key) {
    std::vector<std::string> texts;
    auto* list = object.if_contains(key);
    if (!list || !list->is_array()) return texts;
    for (const auto& item : list->get_array())
        if (item.is_string()) texts.emplace_back(item.get_string());
    return texts;
}

static Result<ReadRecord> read_record(const store::Entry& entry) {
    auto end = entry.value.find('\n');
    if (end == std::string::npos) return Error(Errc::Internal, "not a record of an image");
    auto head = TRY(parse_json(std::string_view(entry.value).substr(0, end)));
    if (!head.is_object()) return Error(Errc::Internal, "not a record of an image");
    const auto& object = head.get_object();
    ReadRecord record;
    record.image = TRY(parse_image_config(entry.value.substr(end + 1)));
    record.image.tags = texts_in(object, "tags");
    record.image.repo_digests = texts_in(object, "digests");
    if (auto* tagged = object.if_contains("tagged"); tagged && tagged->is_int64())
        record.image.last_tagged.nanoseconds = tagged->get_int64();
    if (auto* parent = object.if_contains("parent"); parent && parent->is_string())
        record.image.parent = TRY(Digest::parse(std::string_view(parent->get_string())));
    record.hidden = object.contains("hidden");
    record.image.step = object.contains("step");
    return record;
}

Result<std::unique_ptr<ImageStore>> ImageStore::create(const std::string& data_directory, store::Store& store) {
    return std::unique_ptr<ImageStore>(TRY(Images::create(data_directory, store)));
}

Result<std::unique_ptr<Images>> Images::create(const std::string& data_directory, store::Store& store) {
    std::unique_ptr<Images> images(new Images(store));
    images->data_directory_ = data_directory;
    TRY(os::make_directories(data_directory, 0711));
    images->blobs_ = TRY(BlobStore::create(data_directory));
    images->layers_ = TRY(LayerStore::create(data_directory, *images->blobs_));
    TRY(images->read_records());
    return images;
}

Result<void> Images::read_records() {
    auto entries = TRY(store_.range(record_prefix));
    Lock lock(state_);
    for (const auto& entry : entries) {
        auto record = read_record(entry);
        if (!record) {
            log::warning("record {} is damaged and left alone: {}", entry.key, record.error().message());
            continue;
        }
        auto image = std::make_shared<Image>(std::move(record->image));
        for (const auto& layer : image->layers) image->size += layers_->size(layer).value_or(0);
        for (const auto& tag : image->tags) names_[tag] = image->id;
        for (const auto& digest : image->repo_digests) names_[digest] = image->id;
        if (record->hidden) hidden_.insert(image->id);
        images_[image->id] = std::move(image);
    }
    return {};
}

Result<void> Images::recover() {
    Lock writes(writes_);
    auto leftovers = TRY(os::list_directory(data_directory_ + "/tmp"));
    for (const auto& name : leftovers) TRY(os::remove_tree(data_directory_ + "/tmp/" + name));
    TRY(layers_->recover());
    std::set<Digest> used;
    std::vector<ImagePointer> images;
    {
        Lock lock(state_);
        for (const auto& [id, image] : images_) {
            used.insert(image->layers.begin(), image->layers.end());
            images.push_back(image);
        }
    }
    auto manifests = manifest_blobs(images);
    for (const auto& layer : layers_->all())
        if (!used.contains(layer)) TRY(layers_->remove(layer));
    auto names = TRY(os::list_directory(data_directory_ + "/blobs/sha256"));
    for (const auto& name : names) {
        auto digest = Digest::parse("sha256:" + name);
        if (digest && (manifests.contains(*digest) || layers_->layer_of_blob(*digest))) continue;
        TRY(os::remove_file(data_directory_ + "/blobs/sha256/" + name));
    }
    return {};
}

Result<void> Images::apply(const Update& update) {
    std::vector<store::Change> changes;
    for (const auto& image : update.changed)
        changes.push_back({.key = std::string(record_prefix) + std::string(image->id.hex()),
                           .value = record_of(*image, update.hide.contains(image->id))});
    for (const auto& id : update.deleted)
        changes.push_back({.key = std::string(record_prefix) + std::string(id.hex())});
    PILA_FAILPOINT("image.record.before-store");
    TRY(store_.transact(changes));
    PILA_FAILPOINT("image.record.after-store");
    Lock lock(state_);
    std::erase_if(names_, [&](const auto& name) {
        return std::any_of(update.changed.begin(), update.changed.end(),
                           [&](const auto& image) { return image->id == name.second; }) ||
               std::find(update.deleted.begin(), update.deleted.end(), name.second) != update.deleted.end();
    });
    for (const auto& image : update.changed) {
        for (const auto& tag : image->tags) names_[tag] = image->id;
        for (const auto& digest : image->repo_digests) names_[digest] = image->id;
        if (update.hide.contains(image->id))
            hidden_.insert(image->id);
        else
            hidden_.erase(image->id);
        images_[image->id] = image;
    }
    for (const auto& id : update.deleted) {
        images_.erase(id);
        hidden_.erase(id);
    }
    return {};
}

static void add_once(std::vector<std::string>& list, const std::string& item) {
    if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

Result<Images::Added> Images::add(Image image, const Names& names) {
    Lock writes(writes_);
    Added added;
    std::map<Digest, std::shared_ptr<Image>> changed;
    auto existing = by_id(image.id);
    auto ours = std::make_shared<Image>(existing && !is_hidden(image.id) ? *existing : std::move(image));
    ours->size = 0;
    ours->step = ours->step && image.step && names.tags.empty();  // loaded or pulled, it is an image
    for (const auto& layer : ours->layers) {
        auto size = layers_->size(layer);
        if (!size)
            return Error(Errc::Internal,
                         fmt::format("layer {} of image {} is not there", layer.text(), ours->id.text()));
        ours->size += *size;
    }
    changed[ours->id] = ours;
    if (!names.tags.empty()) ours->last_tagged = now_wall();
    auto take_over = [&](const std::string& name, std::vector<std::string> Image::*list) {
        auto owner = by_name(name);
        if (owner && owner->id != ours->id) {
            auto& other = changed[owner->id];
            if (!other) other = std::make_shared<Image>(*owner);
            std::erase((*other).*list, name);
            added.renamed[name] = owner->id;
        }
        add_once((*ours).*list, name);
    };
    for (const auto& tag : names.tags) take_over(tag, &Image::tags);
    for (const auto& digest : names.repo_digests) take_over(digest, &Image::repo_digests);
    Update update;
    for (auto& [id, entry] : changed) update.changed.push_back(std::move(entry));
    TRY(apply(update));
    added.image = by_id(ours->id);
    return added;
}

ImagePointer Images::by_id(const Digest& id) const {
    Lock lock(state_);
    auto found = images_.find(id);
    return found == images_.end() ? nullptr : found->second;
}

ImagePointer Images::by_name(const std::string& familiar) const {
    Lock lock(state_);
    auto name = names_.find(familiar);
    if (name == names_.end()) return nullptr;
    auto found = images_.find(name->second);
    return found == images_.end() ? nullptr : found->second;
}

// Of several, none: that is how Docker answers an ambiguous prefix.
ImagePointer Images::by_prefix(std::string_view prefix) const {
    if (prefix.starts_with("sha256:")) prefix.remove_prefix(7);
    if (prefix.empty() || prefix.size() > 64 || !is_hex(prefix)) return nullptr;
    auto first = "sha256:" + std::string(prefix);
    ImagePointer only;
    Lock lock(state_);
    for (const auto& [id, image] : images_) {
        if (!id.text().starts_with(first) || hidden_.contains(id)) continue;
        if (only) return nullptr;
        only = image;
    }
    return only;
}

std::vector<ImagePointer> Images::children(const Digest& id) const {
    std::vector<ImagePointer> found;
    Lock lock(state_);
    for (const auto& [child, image] : images_)
        if (image->parent == id && !hidden_.contains(child)) found.push_back(image);
    return found;
}

bool Images::is_hidden(const Digest& id) const {
    Lock lock(state_);
    return hidden_.contains(id);
}

void Images::remember_archived(const std::string& key, const Digest& diff_id) {
    constexpr std::size_t most = 4096;
    Lock lock(state_);
    if (archived_.size() >= most) archived_.clear();
    archived_[key] = diff_id;
}

void Images::forget_archived(const std::string& key) {
    Lock lock(state_);
    archived_.erase(key);
}

std::optional<Digest> Images::archived(const std::string& key) const {
    Lock lock(state_);
    auto found = archived_.find(key);
    return found == archived_.end() ? std::nullopt : std::optional(found->second);
}

Result<ImagePointer> Images::find(std::string_view text) {
    std::string full = text.size() == 64 && is_hex(text) ? "sha256:" + std::string(text) : std::string(text);
    if (auto digest = Digest::parse(full)) {
        if (auto image = by_id(*digest)) return image;
        return Error(Errc::NotFound, "No such image: " + full);
    }
    auto reference = TRY(Reference::parse(text));
    auto name = reference;
    if (!name.digest.empty()) name.tag.clear();  // the digest decides
    if (auto image = by_name(name.familiar())) return image;
    if (auto image = by_prefix(text)) return image;
    return Error(Errc::NotFound, "No such image: " + reference.familiar());
}

std::vector<ImagePointer> Images::list() {
    std::vector<ImagePointer> all;
    Lock lock(state_);
    for (const auto& [id, image] : images_)
        if (!hidden_.contains(id) && !image->step) all.push_back(image);
    return all;
}

Result<void> Images::tag(std::string_view source, std::string_view target) {
    auto image = TRY(find(source));
    auto reference = TRY(Reference::parse(target));
    if (!reference.digest.empty()) return Error(Errc::Invalid, "refusing to create a tag with a digest reference");
    TRY(add(*image, {.tags = {reference.familiar()}, .repo_digests = {}}));
    return {};
}

Result<std::vector<std::string>> Images::layer_directories(const Image& image) {
    std::vector<std::string> directories;
    std::set<Digest> seen;
    for (auto layer = image.layers.rbegin(); layer != image.layers.rend(); ++layer) {
        if (!layers_->has(*layer))
            return Error(Errc::Internal,
                         fmt::format("layer {} of image {} is not there", layer->text(), image.id.text()));
        // What the deeper one of two equal layers says, the upper one says again.
        if (seen.insert(*layer).second) directories.push_back(layers_->tree(*layer));
    }
    return directories;
}

}  // namespace pila::image
