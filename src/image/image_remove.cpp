// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <fmt/core.h>

#include "image/image_store_internal.h"

// The rules of `docker rmi`: a name is untagged, the last name takes the image with it; children, containers and names
// of several repositories stand in the way of the image, the softer of them unless forced.
namespace pila::image {

namespace {

std::string repository_of(const std::string& name) {
    auto at = name.find('@');
    if (at != std::string::npos) return name.substr(0, at);
    return name.substr(0, name.rfind(':'));
}

// At most one tag, and everything in one repository.
bool is_single_reference(const Image& image) {
    if (image.tags.size() + image.repo_digests.size() <= 1) return true;
    if (image.tags.size() > 1) return false;
    auto repository = repository_of(image.tags.empty() ? image.repo_digests.front() : image.tags.front());
    return std::all_of(image.repo_digests.begin(), image.repo_digests.end(),
                       [&](const auto& digest) { return repository_of(digest) == repository; });
}

bool is_id_prefix(const Digest& id, std::string_view reference) {
    return id.text().starts_with(reference) || id.hex().starts_with(reference);
}

}  // namespace

struct Images::Removal {
    Images& images;
    const InUse& in_use;
    Removed removed;

    struct Conflicts {
        bool child = true, running = true, reference = false, stopped = false;
    };
    struct Conflict {
        std::string message;
        bool hard = false, used = false;
    };

    std::optional<Conflict> conflict_of(const Image& image, Conflicts look_for) const {
        if (look_for.child && !images.children(image.id).empty())
            return Conflict{"image has dependent child images", true, false};
        auto use = in_use ? in_use(image.id) : ImageUse();
        bool used = !use.container.empty();
        if (look_for.running && used && use.running)
            return Conflict{"image is being used by running container " + short_id(use.container), true, true};
        if (images.is_pinned(image.id)) return Conflict{"image is being used by a build", true, true};
        if (look_for.reference && image.tags.size() + image.repo_digests.size() > 0)
            return Conflict{"image is referenced in multiple repositories", false, false};
        if (look_for.stopped && used)
            return Conflict{"image is being used by stopped container " + short_id(use.container), false, true};
        return std::nullopt;
    }

    static Error error_of(const Image& image, const Conflict& conflict) {
        return Error(Errc::Conflict,
                     fmt::format("conflict: unable to delete {} ({}) - {}", short_id(image.id.text()),
                                 conflict.hard ? "cannot be forced" : "must be forced", conflict.message));
    }

    Result<ImagePointer> untag(const ImagePointer& image, const std::vector<std::string>& names) {
        auto changed = std::make_shared<Image>(*image);
        for (const auto& name : names) {
            std::erase(changed->tags, name);
            std::erase(changed->repo_digests, name);
        }
        TRY(images.apply({.changed = {changed}}));
        removed.untagged.insert(removed.untagged.end(), names.begin(), names.end());
        return ImagePointer(changed);
    }

    static std::vector<std::string> all_names(const Image& image) {
        auto names = image.tags;
        names.insert(names.end(), image.repo_digests.begin(), image.repo_digests.end());
        return names;
    }

    // Digest references leave with the last tag of their repository.
    static std::vector<std::string> leaving_with(const Image& image, const std::string& name) {
        std::vector<std::string> leaving{name};
        if (name.find('@') != std::string::npos) return leaving;
        auto repository = repository_of(name);
        for (const auto& tag : image.tags)
            if (tag != name && repository_of(tag) == repository) return leaving;
        for (const auto& digest : image.repo_digests)
            if (repository_of(digest) == repository) leaving.push_back(digest);
        return leaving;
    }

    Result<void> by_name(ImagePointer image, std::string_view given, bool force, bool prune) {
        auto use = in_use ? in_use(image->id) : ImageUse();
        if (!force && is_single_reference(*image) && !use.container.empty())
            return Error(Errc::Conflict,
                         fmt::format("conflict: unable to remove repository reference \"{}\" (must force) - "
                                     "container {} is using its referenced image {}",
                                     given, short_id(use.container), short_id(image->id.text())));
        auto reference = TRY(Reference::parse(given));
        if (!reference.digest.empty()) reference.tag.clear();
        image = TRY(untag(image, leaving_with(*image, reference.familiar())));
        if (!image->tags.empty() || !image->repo_digests.empty()) return {};
        return destroy(image, force, prune, true);
    }

    Result<void> by_id(ImagePointer image, bool force, bool prune) {
        if (is_single_reference(*image)) {
            auto conflict = conflict_of(*image, {.stopped = !force});
            if (conflict) return error_of(*image, *conflict);
            image = TRY(untag(image, all_names(*image)));
        }
        return destroy(image, force, prune, false);
    }

    Result<void> destroy(ImagePointer image, bool force, bool prune, bool quiet) {
        auto conflict = conflict_of(*image, {.reference = !force, .stopped = !force});
        if (conflict) {
            // After an untagging the user hears of it only if the image is left dangling for no visible reason.
            bool dangling = image->tags.empty() && image->repo_digests.empty() && images.children(image->id).empty();
            if (quiet && (!dangling || conflict->used)) return {};
            return error_of(*image, *conflict);
        }
        if (!all_names(*image).empty()) image = TRY(untag(image, all_names(*image)));
        removed.deleted.push_back(image->id.text());
        auto use = in_use ? in_use(image->id) : ImageUse();
        if (!use.container.empty()) return images.apply({.changed = {image}, .hide = {image->id}});
        TRY(images.apply({.deleted = {image->id}}));
        TRY(images.forget_unused(&removed, *image));
        if (!prune || image->parent.empty()) return {};
        auto parent = images.by_id(image->parent);
        return parent ? destroy(parent, false, true, true) : Result<void>();
    }
};

Result<Removed> Images::remove(std::string_view given, bool force, bool prune_parents, const InUse& in_use) {
    TRY(collect(in_use));
    Lock writes(writes_);
    auto image = TRY(find(given));
    if (is_hidden(image->id)) return Error(Errc::NotFound, "No such image: " + std::string(given));
    Removal removal{*this, in_use, {}};
    auto manifests = manifest_blobs({image});
    auto done = is_id_prefix(image->id, given) ? removal.by_id(image, force, prune_parents)
                                               : removal.by_name(image, given, force, prune_parents);
    if (!manifests.empty()) TRY(forget_manifests(std::move(manifests)));
    TRY(std::move(done));
    return std::move(removal.removed);
}

Result<void> Images::collect(const InUse& in_use) {
    Lock writes(writes_);
    std::vector<ImagePointer> hidden;
    {
        Lock lock(state_);
        for (const auto& id : hidden_) hidden.push_back(images_.at(id));
    }
    for (const auto& image : hidden) {
        if (in_use && !in_use(image->id).container.empty()) continue;
        TRY(apply({.deleted = {image->id}}));
        TRY(forget_unused(nullptr, *image));
    }
    return {};
}

// Deletes the layers of an image that is no more, unless others have them.
Result<void> Images::forget_unused(Removed* removed, const Image& image) {
    std::set<Digest> used, used_chains;
    {
        Lock lock(state_);
        for (const auto& [id, other] : images_) used.insert(other->layers.begin(), other->layers.end());
        for (const auto& [id, other] : images_) {
            if (!removed) break;
            for (auto& chain : chain_ids(other->layers)) used_chains.insert(std::move(chain));
        }
    }
    auto chains = chain_ids(image.layers);
    for (auto at = image.layers.size(); at-- > 0;) {
        if (removed && !used_chains.contains(chains[at])) removed->deleted.push_back(chains[at].text());
        if (!used.contains(image.layers[at])) TRY(layers_->remove(image.layers[at]));
    }
    return {};
}

}  // namespace pila::image
