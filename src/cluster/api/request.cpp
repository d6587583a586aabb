// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/request.h"

#include "base/text.h"

namespace pila::cluster::api {

bool truth(const http::Query& query, std::string_view name) {
    if (!query.has(name)) return false;
    auto text = to_lower(query.get(name));
    return text.empty() || text == "1" || text == "true" || text == "t";
}

static std::string verb_of(std::string_view method, bool has_name, const http::Query& query) {
    if (method == "POST") return "create";
    if (method == "PUT") return "update";
    if (method == "PATCH") return "patch";
    if (method == "DELETE") return has_name ? "delete" : "deletecollection";
    if (method != "GET" && method != "HEAD") return to_lower(method);
    if (!has_name) return truth(query, "watch") ? "watch" : "list";
    return "get";
}

RequestInfo read_request(std::string_view method, std::string_view path, const http::Query& query) {
    RequestInfo info;
    for (auto part : split(path, '/'))
        if (!part.empty()) info.parts.emplace_back(part);
    const auto& parts = info.parts;
    info.verb = to_lower(method);
    std::size_t next = 0;
    if (parts.size() >= 3 && parts[0] == "api") {
        info.group_version = {"", parts[1]};
        next = 2;
    } else if (parts.size() >= 4 && parts[0] == "apis") {
        info.group_version = {parts[1], parts[2]};
        next = 3;
    } else {
        return info;
    }
    bool old_watch = parts[next] == "watch" && parts.size() > next + 1;  // /api/v1/watch/pods
    if (old_watch) ++next;
    info.is_resource = true;
    // .../namespaces/NS/pods: within; .../namespaces/NS, and its status and finalize: the namespace itself
    bool within = parts[next] == "namespaces" && parts.size() > next + 2 && parts[next + 2] != "status" &&
                  parts[next + 2] != "finalize";
    if (within) {
        info.name_space = parts[next + 1];
        next += 2;
    }
    info.resource = parts[next++];
    if (parts.size() > next) info.name = parts[next++];
    if (parts.size() > next) info.subresource = parts[next++];
    for (; next < parts.size(); ++next) info.rest += "/" + parts[next];
    if (info.resource == "namespaces" && info.group_version.group.empty()) info.name_space = info.name;
    info.verb = old_watch ? "watch" : verb_of(method, !info.name.empty(), query);
    return info;
}

}  // namespace pila::cluster::api
