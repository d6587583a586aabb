// SPDX-License-Identifier: Apache-2.0
#pragma once
// Capabilities, --security-opt, AppArmor and seccomp: what a container asks for over what the daemon gives to all.

#include <cstdint>
#include <string>

#include "engine/spec.h"
#include "runtime/plan.h"

namespace pila::engine {

struct SecurityDefaults {
    std::string apparmor_profile;          // "": no AppArmor on this machine
    std::string seccomp_name = "builtin";  // as info shows it: "builtin", "unconfined", or a file
    std::string seccomp_profile;           // that file's text
};

// --seccomp-profile: "", "builtin", "default" (dockerd's former name for it), "unconfined", or a file, which is read
// and checked.
Result<void> set_default_seccomp(const std::string& setting, SecurityDefaults& defaults);

struct SecuritySettings {
    bool no_new_privileges = false, writable_cgroups = false;
    std::string apparmor, seccomp;  // "": not given; seccomp: "unconfined", "builtin" or a profile's text
};
// Invalid: dockerd's words for an option that is none.
Result<SecuritySettings> read_security_options(const std::vector<std::string>& options);

Result<std::uint64_t> capabilities_of(const ContainerSpec& spec);
// What of the machine's profile a container gets: privileged ones and apparmor=unconfined none, apparmor=X X.
std::string apparmor_profile_of(const ContainerSpec& spec, const std::string& default_profile);
Result<void> apply_security(const ContainerSpec& spec, std::uint64_t capabilities, const SecurityDefaults& defaults,
                            runtime::ProcessPlan& process);
// At the container's creation: that all this will be possible.
Result<void> check_security(const ContainerSpec& spec);

}  // namespace pila::engine
