// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/access.h"

#include <algorithm>

#include <fmt/core.h>

namespace pila::cluster::api {

namespace {

constexpr std::string_view masters = "system:masters";
constexpr std::string_view open_paths[] = {"/version", "/healthz", "/livez", "/readyz"};

bool is_open(std::string_view path) {
    if (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return std::any_of(std::begin(open_paths), std::end(open_paths), [&](std::string_view open) {
        return path == open || (path.starts_with(open) && path[open.size()] == '/');
    });
}

}  // namespace

Outcome<User> authenticate(const http::Request& request) {
    if (request.client_certificate_is_bad || request.headers.has("Authorization")) return unauthorized();
    if (!request.client_certificate) return User{"system:anonymous", "", {"system:unauthenticated"}};
    User user{request.client_certificate->common_name, "", request.client_certificate->organizations};
    if (user.name.empty()) return unauthorized();
    user.groups.emplace_back("system:authenticated");
    return user;
}

Outcome<void> authorize(const User& user, const RequestInfo& info, std::string_view path) {
    if (user.is_in(masters)) return {};
    if (!info.is_resource) {
        bool reads = info.verb == "get" || info.verb == "head";
        if (reads && is_open(path)) return {};
        return Status(403, "Forbidden",
                      fmt::format("forbidden: User \"{}\" cannot {} path \"{}\"", user.name, info.verb, path));
    }
    auto resource = info.subresource.empty() ? info.resource : info.resource + "/" + info.subresource;
    auto where = info.name_space.empty() ? std::string("at the cluster scope")
                                         : fmt::format("in the namespace \"{}\"", info.name_space);
    auto what = info.group_version.group.empty() ? info.resource : info.resource + "." + info.group_version.group;
    Status refused(403, "Forbidden",
                   fmt::format("{}{} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {}", what,
                               info.name.empty() ? "" : fmt::format(" \"{}\"", info.name), user.name, info.verb,
                               resource, info.group_version.group, where));
    refused.name = info.name;
    refused.group = info.group_version.group;
    refused.kind = info.resource;
    return refused;
}

}  // namespace pila::cluster::api
