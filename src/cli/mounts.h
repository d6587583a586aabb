// SPDX-License-Identifier: Apache-2.0
#pragma once
// --mount and -v.

#include <string>
#include <string_view>

#include "base/result.h"

namespace pila::cli {

// The API's JSON of one mount.
Result<std::string> parse_mount(std::string_view text);
// Options of a mount that an older API cannot carry: the message, or "".
std::string mount_needs_newer_api(std::string_view text, int api_minor);

struct VolumeSpec {
    bool anonymous = false;  // only a path in the container
    std::string bind;        // else: what HostConfig.Binds gets
};
Result<VolumeSpec> parse_volume(std::string_view text);

}  // namespace pila::cli
