// SPDX-License-Identifier: Apache-2.0
#pragma once
// The local driver's options: a volume that is a mount of its own (type, device, o) as long as containers run with it.

#include <map>
#include <string>

#include "base/result.h"

namespace pila::engine {

using DriverOptions = std::map<std::string, std::string>;

// Invalid: dockerd's words.
Result<void> check_driver_options(const DriverOptions& options);
// Volumes without type are plain directories.
inline bool is_mounted_volume(const DriverOptions& options) { return options.contains("type"); }
bool is_mount_point(const std::string& path);
Result<void> mount_volume(const DriverOptions& options, const std::string& path);

}  // namespace pila::engine
