// SPDX-License-Identifier: Apache-2.0
// Steps of builds: images that no list shows, one above the other. They are what a build's cache leads to.
#include <fmt/core.h>

#include "base/failpoint.h"
#include "image/image_config.h"
#include "image/image_store_internal.h"
#include "image/layer_commit.h"

namespace pila::image {

struct Images::Pin {
    Images& images;
    ImagePointer image;
    std::list<LayerPin> layers;

    Pin(Images& owner, ImagePointer pinned) : images(owner), image(std::move(pinned)) {
        for (const auto& layer : image->layers) layers.push_back(images.layers_->pin(layer));
        Lock lock(images.state_);
        ++images.pins_[image->id];
    }
    ~Pin() {
        Lock lock(images.state_);
        auto found = images.pins_.find(image->id);
        if (--found->second == 0) images.pins_.erase(found);
    }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
};

std::shared_ptr<void> Images::pin(const ImagePointer& image) { return std::make_shared<Pin>(*this, image); }

bool Images::is_pinned(const Digest& id) const {
    Lock lock(state_);
    return pins_.contains(id);
}

Result<ImagePointer> Images::add_step(const Context& context, StepRequest request) {
    NewImage image;
    image.config = std::move(request.config);
    image.history = std::move(request.history);
    image.layers = request.parent ? request.parent->layers : std::move(request.base_layers);
    std::list<LayerPin> pins;
    for (const auto& layer : image.layers) pins.push_back(layers_->pin(layer));
    bool empty = request.layer_directory.empty() && !request.layer;
    if (!request.layer_directory.empty()) {
        auto taken =
            TRY(request.keep_directory ? commit_layer(context, *layers_, request.layer_directory)
                                       : take_layer(context, *layers_, request.layer_directory, request.newest));
        empty = taken.empty;
        if (!empty) {
            request.layer = taken.layer.diff_id;
            pins.push_back(layers_->pin(taken.layer.diff_id));
            TRY(layers_->commit(std::move(taken.layer)));
        }
    }
    if (request.layer) {
        pins.push_back(layers_->pin(*request.layer));
        image.layers.push_back(*request.layer);
    }
    if (!image.history.empty()) image.history.back().empty_layer = empty;
    PILA_FAILPOINT("image.step.before-record");
    auto parsed = TRY(parse_image_config(write_image_config(image)));
    if (request.parent) parsed.parent = request.parent->id;
    parsed.step = true;
    return TRY(add(std::move(parsed), {})).image;
}

Result<ImagePointer> Images::finish_steps(const Digest& id, const std::vector<std::string>& tags) {
    auto step = by_id(id);
    if (!step) return Error(Errc::NotFound, fmt::format("No such image: {}", id.text()));
    Names names{.tags = tags, .repo_digests = {}};
    if (!step->step || !tags.empty()) return TRY(add(*step, names)).image;
    Lock writes(writes_);
    auto ours = std::make_shared<Image>(*step);
    ours->step = false;
    TRY(apply({.changed = {ours}}));
    return by_id(id);
}

std::vector<ImagePointer> Images::steps() {
    std::vector<ImagePointer> found;
    Lock lock(state_);
    for (const auto& [id, image] : images_)
        if (image->step && !hidden_.contains(id)) found.push_back(image);
    return found;
}

Result<Removed> Images::remove_steps(const std::vector<Digest>& ids) {
    Removed removed;
    Lock writes(writes_);
    Update update;
    std::vector<ImagePointer> gone;
    for (const auto& id : ids) {
        auto image = by_id(id);
        if (!image || !image->step || is_pinned(id)) continue;
        update.deleted.push_back(id);
        removed.deleted.push_back(id.text());
        gone.push_back(std::move(image));
    }
    if (gone.empty()) return removed;
    TRY(apply(update));
    for (const auto& image : gone) TRY(forget_unused(nullptr, *image));
    return removed;
}

}  // namespace pila::image
