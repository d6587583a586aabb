// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/reviews.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/api/access.h"
#include "cluster/api/metadata.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::api {

namespace {

json::array texts(const std::vector<std::string>& list) {
    json::array out;
    for (const auto& text : list) out.emplace_back(text);
    return out;
}

// The request that an access review asks about.
RequestInfo asked(const json::object& spec, std::string& path) {
    RequestInfo info;
    if (const auto* attributes = kinds::object_at(spec, "resourceAttributes")) {
        auto text = [&](std::string_view name) { return std::string(kinds::text_at(*attributes, name)); };
        info.is_resource = true;
        info.verb = text("verb");
        info.group_version = {text("group"), text("version")};
        info.name_space = text("namespace");
        info.resource = text("resource");
        info.subresource = text("subresource");
        info.name = text("name");
    } else if (const auto* other = kinds::object_at(spec, "nonResourceAttributes")) {
        info.verb = kinds::text_at(*other, "verb");
        path = kinds::text_at(*other, "path");
    }
    return info;
}

json::object verdict(const User& user, const json::object& spec) {
    std::string path;
    auto info = asked(spec, path);
    auto allowed = authorize(user, info, path);
    json::object status{{"allowed", static_cast<bool>(allowed)}};
    if (!allowed) status["reason"] = allowed.error().message;
    return status;
}

User reviewed_user(const json::object& spec) {
    User user{std::string(kinds::text_at(spec, "user")), std::string(kinds::text_at(spec, "uid")), {}};
    if (const auto* groups = kinds::list_at(spec, "groups"))
        for (const auto& group : *groups)
            if (group.is_string()) user.groups.emplace_back(group.get_string());
    return user;
}

}  // namespace

bool is_review(const schema::Kind& kind) {
    return kind.group_version.group == "authorization.k8s.io" || kind.group_version.group == "authentication.k8s.io";
}

Outcome<json::value> answer_review(const Call& call, json::value review) {
    auto& object = review.get_object();
    static const json::object none;
    const auto* found = kinds::object_at(object, "spec");
    const auto& spec = found ? *found : none;
    const auto& name = call.kind.name;
    auto& metadata = meta(object);
    metadata["creationTimestamp"] = nullptr;
    if (name == "SelfSubjectReview") {
        metadata["creationTimestamp"] = now_text();
        object["status"] =
            json::object{{"userInfo", json::object{{"username", call.user.name}, {"groups", texts(call.user.groups)}}}};
    } else if (name == "SelfSubjectAccessReview") {
        object["status"] = verdict(call.user, spec);
    } else if (name == "SubjectAccessReview" || name == "LocalSubjectAccessReview") {
        object["status"] = verdict(reviewed_user(spec), spec);
    } else if (name == "SelfSubjectRulesReview") {
        json::array resources, others;
        if (call.user.is_in("system:masters")) {
            resources.push_back(json::object{{"verbs", {"*"}}, {"apiGroups", {"*"}}, {"resources", {"*"}}});
            others.push_back(json::object{{"verbs", {"*"}}, {"nonResourceURLs", {"*"}}});
        } else {
            others.push_back(json::object{
                {"verbs", {"get"}}, {"nonResourceURLs", {"/healthz", "/livez", "/readyz", "/version", "/version/"}}});
        }
        object["status"] = json::object{
            {"resourceRules", std::move(resources)}, {"nonResourceRules", std::move(others)}, {"incomplete", false}};
    } else {  // TokenReview: there are no tokens yet
        object["status"] = json::object{{"authenticated", false}, {"error", "no tokens are known here"}};
    }
    return review;
}

}  // namespace pila::cluster::api
