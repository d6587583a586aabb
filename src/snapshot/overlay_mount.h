// SPDX-License-Identifier: Apache-2.0
#pragma once
// Overlay as a detached mount, whatever the kernel's age. Threads: any.

#include <string>
#include <vector>

#include "base/fd.h"
#include "os/user_namespace.h"

namespace pila::snapshot {

struct OverlayPlan {
    std::vector<std::string> lowers;  // uppermost first; a directory named twice counts where it is uppermost
    std::string upper, work;          // both "": read-only; else in one directory
    bool no_sync = false;             // overlay's "volatile"
    std::string scratch_directory;    // where the classic ladder step may make a mount point for an instant
};

// A descriptor for move_mount(2).
Result<Fd> mount_overlay(const OverlayPlan& plan);
// The same with all ids on disk, of the layers and of the writable directory alike, mapped as the namespace has it
// (Linux 5.19, overlay on id-mapped layers).
Result<Fd> mount_overlay_mapped(const OverlayPlan& plan, const os::UserNamespace& ids);

// Overlay refuses the same directory twice. Leaving out the deeper one changes nothing: whatever it says about a path,
// the upper one says again.
std::vector<std::string> without_repetitions(const std::vector<std::string>& lowers);

// Takes away what a process killed inside mount_overlay left in its scratch directory.
void clean_mount_points(const std::string& scratch_directory);

// The xattr by which overlay marks an opaque directory: user.* where trusted.* is not ours to write.
bool overlay_uses_user_xattrs();

}  // namespace pila::snapshot
