// SPDX-License-Identifier: Apache-2.0
#include "engine/users.h"

#include <algorithm>
#include <optional>

#include <fcntl.h>
#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::engine {

namespace {

std::optional<std::uint32_t> as_id(std::string_view text) {
    auto number = parse_uint(text);
    if (!number || *number > 0x7fffffff) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

// Calls `visit` with the colon-separated fields of each line that has at least `least`; stops when it returns true.
template <typename Visit>
void for_each_line(std::string_view file, std::size_t least, Visit visit) {
    for (auto line : split(file, '\n')) {
        auto fields = split(trim(line), ':');
        if (fields.size() >= least && visit(fields)) return;
    }
}

Result<std::uint32_t> group_id(std::string_view name, std::string_view group) {
    std::optional<std::uint32_t> found;
    for_each_line(group, 3, [&](const auto& fields) {
        if (fields[0] == name) found = as_id(fields[2]);
        return found.has_value();
    });
    if (!found) found = as_id(name);
    if (!found)
        return Error(Errc::Invalid, fmt::format("unable to find group {}: no matching entries in group file", name));
    return *found;
}

}  // namespace

Result<ResolvedUser> resolve_user(std::string_view user, std::string_view passwd, std::string_view group,
                                  const std::vector<std::string>& extra_groups) {
    auto colon = user.find(':');
    auto user_part = user.substr(0, colon);
    auto group_part = colon == std::string_view::npos ? std::string_view() : user.substr(colon + 1);

    ResolvedUser resolved;
    auto wanted_id = as_id(user_part.empty() ? "0" : user_part);
    std::string name;
    for_each_line(passwd, 6, [&](const auto& fields) {
        auto uid = as_id(fields[2]), gid = as_id(fields[3]);
        if (!uid || !gid) return false;
        if (fields[0] != user_part && uid != wanted_id) return false;
        name = std::string(fields[0]);
        resolved.uid = *uid;
        resolved.gid = *gid;
        resolved.home = fields[5].empty() ? "/" : std::string(fields[5]);
        return true;
    });
    if (name.empty()) {
        if (!wanted_id && parse_uint(user_part))
            return Error(Errc::Invalid, "uids and gids must be in range 0-2147483647");
        if (!wanted_id)
            return Error(Errc::Invalid,
                         fmt::format("unable to find user {}: no matching entries in passwd file", user_part));
        resolved.uid = *wanted_id;
        if (resolved.uid == 0) resolved.home = "/root";
    }
    if (!group_part.empty()) {
        resolved.gid = TRY(group_id(group_part, group));
    } else if (!name.empty()) {
        for_each_line(group, 4, [&](const auto& fields) {
            auto gid = as_id(fields[2]);
            auto members = split(fields[3], ',');
            if (gid && std::find(members.begin(), members.end(), name) != members.end())
                resolved.additional_gids.push_back(*gid);
            return false;
        });
    }
    // The primary group is listed too: a setgid program must not be able to shed it (CVE-2022-36109).
    resolved.additional_gids.insert(resolved.additional_gids.begin(), resolved.gid);
    for (const auto& extra : extra_groups) {
        auto found = group_id(extra, group);
        if (!found)
            return Error(Errc::Invalid,
                         fmt::format("Unable to find group {}: no matching entries in group file", extra));
        auto gid = *found;
        auto& gids = resolved.additional_gids;
        if (std::find(gids.begin(), gids.end(), gid) == gids.end()) gids.push_back(gid);
    }
    return resolved;
}

Result<ResolvedUser> resolve_user_in(FdView root, std::string_view user, const std::vector<std::string>& extra_groups) {
    static constexpr std::size_t max_account_file = 4U << 20;
    // Missing files are empty ones; O_NONBLOCK: a fifo in their place must not hold us.
    auto read = [&](const char* path) -> std::string {
        auto file = os::open_in_root(root, path, O_RDONLY | O_NONBLOCK);
        return file ? os::read_all(*file, max_account_file).value_or("") : "";
    };
    return resolve_user(user, read("/etc/passwd"), read("/etc/group"), extra_groups);
}

}  // namespace pila::engine
