// SPDX-License-Identifier: Apache-2.0
#include "image/image_store_internal.h"

namespace pila::image {

Result<void> Images::save(const Context&, const std::vector<std::string>&, http::BodyWriter&) {
    return Error(Errc::Unsupported, "save: not in this build yet");
}

}  // namespace pila::image
