// SPDX-License-Identifier: Apache-2.0
#pragma once
// "user[:group]" against the container's own /etc/passwd and /etc/group (passwd(5), group(5)).

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace pila::engine {

struct ResolvedUser {
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> additional_gids;
    std::string home = "/";
};

// Names must be found; numbers need not be. `extra_groups`: --group-add, names or numbers.
Result<ResolvedUser> resolve_user(std::string_view user, std::string_view passwd, std::string_view group,
                                  const std::vector<std::string>& extra_groups);

// The same, reading the two files below `root` (a directory, or the root of a detached mount).
Result<ResolvedUser> resolve_user_in(FdView root, std::string_view user, const std::vector<std::string>& extra_groups);

}  // namespace pila::engine
