// SPDX-License-Identifier: Apache-2.0
#pragma once
// The AppArmor profile of containers, where the machine has AppArmor (Debian, Ubuntu, SUSE): a second wall behind
// capabilities, seccomp and read-only mounts, as strict as Docker's.

#include <string>

#include "base/result.h"

namespace pila::engine {

// The name to confine containers with, its profile loaded into the kernel unless it was already; "": no AppArmor here.
// `scratch_directory`: where the profile's text may lie for a moment. Runs apparmor_parser(8).
Result<std::string> load_apparmor_profile(const std::string& scratch_directory);

}  // namespace pila::engine
