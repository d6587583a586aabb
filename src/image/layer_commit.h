// SPDX-License-Identifier: Apache-2.0
#pragma once
// A container's writable layer as an image layer: copied as it is and written as a tar (whiteouts in the archive's
// form) in one walk; the digest is computed beside it on a second thread.

#include <optional>

#include "base/time.h"
#include "image/layer_store.h"

namespace pila::image {

struct CommittedLayer {
    UnpackedLayer layer;
    bool empty = false;  // nothing was changed
};

Result<CommittedLayer> commit_layer(const Context& context, LayerStore& layers, const std::string& upper_directory);

// The directory itself becomes the layer: it must be on the store's file system, unmounted and nobody else's. What has
// no place in an archive (sockets) goes. `newest`: later times of files become this.
Result<CommittedLayer> take_layer(const Context& context, LayerStore& layers, const std::string& upper_directory,
                                  std::optional<WallTime> newest);

}  // namespace pila::image
