// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/access.h"

#include <fmt/core.h>

#include "base/text.h"

namespace pila::cluster::api {

namespace {

// "Bearer TOKEN"; "": there is none. What is no bearer token is not for us.
std::string_view bearer_token(const http::Request& request) {
    auto given = trim(request.headers.get("Authorization"));
    auto space = given.find(' ');
    if (space == given.npos || to_lower(given.substr(0, space)) != "bearer") return {};
    return trim(given.substr(space + 1));
}

// "metadata.name=web" among what a field selector asks for
std::string_view selected_name(std::string_view selector) {
    constexpr std::string_view field = "metadata.name=";
    for (auto part : split(selector, ',')) {
        part = trim(part);
        if (!part.starts_with(field)) continue;
        part.remove_prefix(field.size());
        if (part.starts_with('=')) part.remove_prefix(1);
        return part;
    }
    return {};
}

}  // namespace

access::Action action_of(const RequestInfo& info, const http::Request& request) {
    access::Action action;
    action.is_resource = info.is_resource;
    action.verb = info.verb;
    if (!info.is_resource) {
        action.path = request.path;
        return action;
    }
    action.group = info.group_version.group;
    action.resource = info.resource;
    action.subresource = info.subresource;
    action.name_space = info.name_space;
    action.name = info.name;
    bool is_of_many = info.verb == "list" || info.verb == "watch" || info.verb == "deletecollection";
    if (is_of_many && info.name.empty()) action.name = selected_name(request.query.get("fieldSelector"));
    return action;
}

Outcome<User> Access::recognise(const http::Request& request) const {
    if (request.client_certificate_is_bad) return unauthorized();
    if (const auto& certificate = request.client_certificate) {
        if (certificate->common_name.empty()) return unauthorized();
        User user{certificate->common_name, "", certificate->organizations};
        if (!user.is_in(access::authenticated_group)) user.groups.emplace_back(access::authenticated_group);
        return user;
    }
    auto token = bearer_token(request);
    if (token.empty())
        return User{std::string(access::anonymous_name), "", {std::string(access::unauthenticated_group)}};
    auto identified = authenticator_.identify(token);
    if (!identified) return unauthorized();
    return std::move(identified->user);
}

Outcome<User> Access::authenticate(const http::Request& request, User& real) const {
    real = TRY(recognise(request));
    return impersonate(real, request);
}

Outcome<std::string> Access::authorize(const User& user, const access::Action& action) const {
    auto verdict = policy_.judge(user, action);
    if (verdict.is_allowed) return std::move(verdict.reason);
    auto why = verdict.reason.empty() ? "" : ": " + verdict.reason;
    if (!action.is_resource)
        return Status(403, "Forbidden",
                      fmt::format("forbidden: User {} cannot {} path {}{}", json_quote(user.name), action.verb,
                                  json_quote(action.path), why));
    auto resource = action.subresource.empty() ? action.resource : action.resource + "/" + action.subresource;
    auto where = action.name_space.empty() ? std::string("at the cluster scope")
                                           : fmt::format("in the namespace {}", json_quote(action.name_space));
    auto what = action.group.empty() ? action.resource : action.resource + "." + action.group;
    Status refused(403, "Forbidden",
                   fmt::format("{}{} is forbidden: User {} cannot {} resource {} in API group {} {}{}", what,
                               action.name.empty() ? "" : " " + json_quote(action.name), json_quote(user.name),
                               action.verb, json_quote(resource), json_quote(action.group), where, why));
    refused.name = action.name;
    refused.group = action.group;
    refused.kind = action.resource;
    return refused;
}

}  // namespace pila::cluster::api
