// SPDX-License-Identifier: Apache-2.0
#include "image/image_store_internal.h"

namespace pila::image {

Result<ImagePointer> Images::commit(const Context&, const CommitRequest&) {
    return Error(Errc::Unsupported, "commit: not in this build yet");
}

}  // namespace pila::image
