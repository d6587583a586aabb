// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "image/image_config.h"
#include "image/image_store_internal.h"
#include "image/layer_commit.h"

namespace pila::image {

Result<ImagePointer> Images::commit(const Context& context, const CommitRequest& request) {
    Names names;
    if (!request.reference.empty()) {
        auto reference = TRY(Reference::parse(request.reference));
        if (!reference.digest.empty()) return Error(Errc::Invalid, "refusing to create a tag with a digest reference");
        names.tags.push_back(reference.familiar());
    }
    NewImage image;
    image.config = request.config;
    image.config.on_build.clear();  // meant for this image's own child
    TRY(apply_changes(image.config, request.changes));
    std::list<LayerPin> pins;
    if (request.parent) {
        for (const auto& layer : request.parent->layers) pins.push_back(layers_->pin(layer));
        image.layers = request.parent->layers;
        image.history = request.parent->history;
        const auto& from = request.parent->config;
        image.config.architecture = from.architecture;
        image.config.variant = from.variant;
        image.config.os = from.os;
    } else {
        image.config.architecture = machine_architecture();
        image.config.os = "linux";
    }
    auto committed = TRY(commit_layer(context, *layers_, request.upper_directory));
    // Docker makes no layer of nothing, but says in the history that there was a step.
    if (!committed.empty) {
        image.layers.push_back(committed.layer.diff_id);
        pins.push_back(layers_->pin(committed.layer.diff_id));
        TRY(layers_->commit(std::move(committed.layer)));
    }
    image.config.created = rfc3339_nano(now_wall());
    image.config.author = request.author;
    image.config.comment.clear();  // it stands in the history
    HistoryEntry entry;
    entry.created = image.config.created;
    entry.created_by = join(request.config.command, " ");
    entry.author = request.author;
    entry.comment = request.message;
    entry.empty_layer = committed.empty;
    image.history.push_back(std::move(entry));
    image.container_id = request.container_id;
    image.container_config = request.config;
    auto parsed = TRY(parse_image_config(write_image_config(image)));
    if (request.parent) parsed.parent = request.parent->id;
    return TRY(add(std::move(parsed), names)).image;
}

}  // namespace pila::image
