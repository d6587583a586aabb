// SPDX-License-Identifier: Apache-2.0
#include "image/image_store.h"

namespace pila::image {

Result<void> apply_changes(ImageConfig&, const std::vector<std::string>& changes) {
    if (changes.empty()) return {};
    return Error(Errc::Unsupported, "changes: not in this build yet");
}

}  // namespace pila::image
