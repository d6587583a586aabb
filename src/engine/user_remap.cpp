// SPDX-License-Identifier: Apache-2.0
#include "engine/user_remap.h"

#include <fcntl.h>
#include <algorithm>

#include <fmt/core.h>

#include "base/text.h"
#include "os/file.h"

namespace pila::engine {

namespace {

constexpr std::string_view default_user = "dockremap";
constexpr std::size_t max_account_file = 16U << 20;
constexpr std::size_t max_map_lines = 340;  // of uid_map, since Linux 4.15

struct Account {
    std::string name;
    std::uint32_t id;
};

std::optional<std::uint32_t> as_id(std::string_view text) {
    auto number = parse_uint(text);
    if (!number || *number >= 0xffffffffU) return std::nullopt;
    return static_cast<std::uint32_t>(*number);
}

// Of passwd or group: both begin "name:x:id".
std::optional<Account> find_account(std::string_view file, std::string_view name_or_id) {
    auto wanted = as_id(name_or_id);
    for (auto line : split(file, '\n')) {
        auto fields = split(trim(line), ':');
        auto id = fields.size() >= 3 ? as_id(fields[2]) : std::nullopt;
        if (id && (wanted ? *id == *wanted : fields[0] == name_or_id)) return Account{std::string(fields[0]), *id};
    }
    return std::nullopt;
}

// All ranges of one account, lowest first, put one behind the other from 0 on.
Result<os::IdRanges> ranges_of(std::string_view file, std::string_view path, const Account& account) {
    os::IdRanges ranges;
    for (auto line : split(file, '\n')) {
        auto fields = split(trim(line), ':');
        if (fields.size() != 3 || (fields[0] != account.name && as_id(fields[0]) != account.id)) continue;
        auto first = as_id(fields[1]), count = as_id(fields[2]);
        if (!first || !count || *count == 0 || *first + std::uint64_t{*count} > 0xffffffffU)
            return Error(Errc::Invalid, fmt::format("{}: line {}: not NAME:FIRST:COUNT", path, json_quote(line)));
        ranges.push_back({0, *first, *count});
    }
    if (ranges.empty())
        return Error(Errc::Invalid,
                     fmt::format("no ranges found for {} in {}; add a line such as \"{}:100000:65536\", with a range "
                                 "that nobody else has there",
                                 json_quote(account.name), path, account.name));
    if (ranges.size() > max_map_lines)
        return Error(Errc::Invalid, fmt::format("{}: more than {} ranges for {}", path, max_map_lines, account.name));
    std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.outside < b.outside; });
    std::uint64_t inside = 0;
    for (auto& range : ranges) {
        if (range.outside == 0) return Error(Errc::Invalid, fmt::format("{}: a range that holds the id 0", path));
        range.inside = static_cast<std::uint32_t>(inside);
        inside += range.count;
        if (inside > 0xffffffffU) return Error(Errc::Invalid, fmt::format("{}: more ids than there are", path));
    }
    return ranges;
}

Error no_account(std::string_view kind, std::string_view name, std::string_view path) {
    std::string advice;
    if (name == default_user)
        advice = fmt::format(
            "; make it with: useradd --system --user-group --no-create-home {0} && "
            "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {0}",
            default_user);
    return Error(Errc::Invalid, fmt::format("{} {} has no entry in {}{}", kind, name, path, advice));
}

}  // namespace

AccountFiles AccountFiles::of_host() {
    auto read = [](const char* path) { return os::read_file(path, max_account_file).value_or(""); };
    return {read("/etc/passwd"), read("/etc/group"), read("/etc/subuid"), read("/etc/subgid")};
}

Result<UserRemap> parse_user_remap(std::string_view setting, const AccountFiles& accounts) {
    if (setting.empty()) return UserRemap{};
    auto parts = split(setting, ':');
    if (parts.size() > 2 || parts[0].empty() || parts.back().empty())
        return Error(Errc::Invalid,
                     fmt::format("invalid user/group specification in --userns-remap: {}", json_quote(setting)));
    auto user_name = parts[0] == "default" ? default_user : parts[0];
    auto user = find_account(accounts.passwd, user_name);
    if (!user) return no_account(as_id(user_name) ? "uid" : "user", user_name, "/etc/passwd");
    if (user->name == "root") return UserRemap{"root", "root", {}};  // dockerd's way to say: not at all
    // Without a group: that of the same name, or for a number of the same number.
    auto group_name = parts.size() == 2 ? parts[1] : user_name;
    auto group = find_account(accounts.group, group_name);
    if (!group) return no_account(as_id(group_name) ? "gid" : "group", group_name, "/etc/group");
    UserRemap remap{user->name, group->name, {}};
    remap.map.users = TRY(ranges_of(accounts.subuid, "/etc/subuid", *user));
    remap.map.groups = TRY(ranges_of(accounts.subgid, "/etc/subgid", *group));
    return remap;
}

Result<void> check_remapped(const ContainerSpec& spec) {
    if (spec.privileged)
        return Error(Errc::Invalid,
                     "privileged mode is incompatible with user namespaces.  You must run the container in the host "
                     "namespace when running privileged mode");
    if (spec.network_mode == "host")
        return Error(Errc::Invalid, "cannot share the host's network namespace when user namespaces are enabled");
    if (spec.pid_mode == "host")
        return Error(Errc::Invalid, "cannot share the host PID namespace when user namespaces are enabled");
    return {};
}

Result<os::IdMap> map_of_process(FdView proc_directory) {
    os::IdMap map;
    for (auto [name, ranges] : {std::pair{"uid_map", &map.users}, std::pair{"gid_map", &map.groups}}) {
        auto file = TRY(os::open_at(proc_directory, name, O_RDONLY));
        auto text = TRY(os::read_all(file, 1U << 20));
        for (auto line : split(text, '\n')) {
            std::vector<std::uint32_t> numbers;
            for (auto field : split(line, ' '))
                if (auto number = parse_uint(field)) numbers.push_back(static_cast<std::uint32_t>(*number));
            if (numbers.size() == 3) ranges->push_back({numbers[0], numbers[1], numbers[2]});
        }
    }
    bool same = map.users.size() == 1 && map.users[0].inside == map.users[0].outside && map.users[0].outside == 0;
    return same ? os::IdMap{} : map;
}

}  // namespace pila::engine
