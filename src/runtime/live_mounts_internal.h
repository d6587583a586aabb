// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the daemon tells `pila-runtime mount`; the answer is a Report.

#include <string>
#include <string_view>
#include <vector>

#include "runtime/live_mounts.h"

namespace pila::runtime {

constexpr int mount_socket_fd = 3;
constexpr char mount_kept = 'K';  // the daemon's last word

// Descriptors beside it: the mount namespace, the user namespace if there is one, the sources.
struct MountOrder {
    std::uint8_t version = 1;  // the program on the disk may be newer than the daemon
    bool has_user_namespace = false;
    std::vector<MountStep> steps;
};
std::string encode(const MountOrder& order);
Result<MountOrder> decode_mount_order(std::string_view bytes);

}  // namespace pila::runtime
