// SPDX-License-Identifier: Apache-2.0
#pragma once
// The lowest layer of every container: mount points and files that a runtime needs to find, whatever the image holds.
// The image's own entries win, and their existence is no change of the container.

#include <string>

#include "base/result.h"

namespace pila::snapshot {

// Makes what is missing of it.
Result<void> ensure_init_layer(const std::string& directory);

}  // namespace pila::snapshot
