// SPDX-License-Identifier: Apache-2.0
// Requests in somebody else's name (`kubectl --as`): whoever may impersonate every part of that name.
#include <fmt/core.h>

#include "base/text.h"
#include "cluster/api/access.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view user_header = "Impersonate-User", uid_header = "Impersonate-Uid",
                           group_header = "Impersonate-Group", extra_prefix = "impersonate-extra-";
constexpr std::string_view authentication = "authentication.k8s.io";

access::Action impersonation(std::string_view group, std::string_view resource, std::string_view name) {
    access::Action action;
    action.verb = "impersonate";
    action.group = group;
    action.resource = resource;
    action.name = name;
    return action;
}

// Everything the headers say; `actions` are what it takes.
User wanted_user(const http::Request& request, std::vector<access::Action>& actions) {
    User wanted;
    wanted.name = request.headers.get(user_header);
    access::AccountName account;
    bool is_account = access::AccountName::read(wanted.name, account);
    if (!wanted.name.empty())
        actions.push_back(impersonation("", is_account ? "serviceaccounts" : "users", wanted.name));
    if (is_account) {
        actions.back().name = account.name;
        actions.back().name_space = account.name_space;
    }
    for (const auto& [name, value] : request.headers.all()) {
        auto lower = to_lower(name);
        if (lower == to_lower(group_header)) {
            actions.push_back(impersonation("", "groups", value));
            wanted.groups.push_back(value);
        } else if (lower == to_lower(uid_header)) {
            actions.push_back(impersonation(authentication, "uids", value));
            wanted.uid = value;
        } else if (lower.starts_with(extra_prefix)) {
            auto key = http::percent_decode(lower.substr(extra_prefix.size())).value_or(lower);
            actions.push_back(impersonation(authentication, "userextras", value));
            actions.back().subresource = key;
            wanted.extra[key].push_back(value);
        }
    }
    if (is_account && wanted.groups.empty()) wanted.groups = account.groups();
    return wanted;
}

}  // namespace

Outcome<User> Access::impersonate(User user, const http::Request& request) const {
    std::vector<access::Action> actions;
    auto wanted = wanted_user(request, actions);
    if (actions.empty()) return user;
    if (wanted.name.empty())
        return Status(500, "InternalError",
                      "Internal error: requested groups, uid or extra without impersonating a user");
    for (const auto& action : actions) TRY(authorize(user, action));
    bool is_anonymous = wanted.name == access::anonymous_name;
    auto group = std::string(is_anonymous ? access::unauthenticated_group : access::authenticated_group);
    if (!wanted.is_in(access::unauthenticated_group) && !wanted.is_in(group)) wanted.groups.push_back(std::move(group));
    return wanted;
}

}  // namespace pila::cluster::api
