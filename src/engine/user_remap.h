// SPDX-License-Identifier: Apache-2.0
#pragma once
// --userns-remap: whose subordinate ids containers get (subuid(5), subgid(5)), and which containers have them.

#include <optional>
#include <string>
#include <string_view>

#include "engine/spec.h"
#include "os/user_namespace.h"

namespace pila::engine {

struct AccountFiles {  // texts
    std::string passwd, group, subuid, subgid;
    static AccountFiles of_host();
};

struct UserRemap {
    std::string user, group;  // names
    os::IdMap map;
};

// "default" (the user dockremap), "USER[:GROUP]", "UID[:GID]"; "" : none. The text says what to add where if something
// is missing.
Result<UserRemap> parse_user_remap(std::string_view setting, const AccountFiles& accounts);

// Whether containers with this specification run in a user namespace when the daemon remaps.
inline bool wants_remap(const ContainerSpec& spec) { return spec.userns_mode != "host"; }
// What cannot be had together with a user namespace, in dockerd's words.
Result<void> check_remapped(const ContainerSpec& spec);

// The map that a running process lives in, as the kernel says; empty: that of the host.
Result<os::IdMap> map_of_process(FdView proc_directory);

}  // namespace pila::engine
