// SPDX-License-Identifier: Apache-2.0
#pragma once
// How overlay writes down what a layer removes, and extended attributes as archives may set them.

#include <sys/stat.h>
#include <map>
#include <string>

#include "base/fd.h"

namespace pila::image {

bool is_whiteout(const struct stat& info);
Result<void> mark_opaque(FdView directory);
bool is_opaque(FdView directory);

using Xattrs = std::map<std::string, std::string>;

// overlay.* never comes from an archive. What the file system or our rights do not allow is left out, as Docker does,
// but for file capabilities: a file without its own would not work.
Result<void> set_xattrs(FdView file, const Xattrs& xattrs);
Result<void> set_xattrs_of_link(FdView directory, const std::string& name, const Xattrs& xattrs);
// What belongs into an archive: security.capability and user.*; without overlay's own.
Result<Xattrs> xattrs_of(FdView file);
Result<Xattrs> xattrs_of_link(FdView directory, const std::string& name);  // of what cannot be opened

inline constexpr auto earlier = [](const timespec& one, const timespec& other) {
    return one.tv_sec != other.tv_sec ? one.tv_sec < other.tv_sec : one.tv_nsec < other.tv_nsec;
};

}  // namespace pila::image
