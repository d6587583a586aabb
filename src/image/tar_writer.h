// SPDX-License-Identifier: Apache-2.0
#pragma once
// Tar headers: ustar where it suffices, pax where it does not. The same entry gives the same bytes, always: layers made
// here are known by their digest.

#include "image/tar.h"

namespace pila::image {

// All header blocks of an entry. `entry.size` is what follows (0 for everything but files).
Result<std::string> tar_header(const TarEntry& entry);
// Zeros after `size` bytes of content.
std::string_view tar_padding(std::uint64_t size);
// Two zero blocks.
std::string_view tar_end();

}  // namespace pila::image
