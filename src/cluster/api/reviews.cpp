// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/reviews.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/api/access.h"
#include "cluster/api/metadata.h"

namespace pila::cluster::api {

namespace {

std::string text_at(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string(value->get_string()) : "";
}

json::array texts(const std::vector<std::string>& list) {
    json::array out;
    for (const auto& text : list) out.emplace_back(text);
    return out;
}

// The request that an access review asks about.
RequestInfo asked(const json::object& spec, std::string& path) {
    RequestInfo info;
    if (const auto* attributes = spec.if_contains("resourceAttributes"); attributes && attributes->is_object()) {
        const auto& object = attributes->get_object();
        info.is_resource = true;
        info.verb = text_at(object, "verb");
        info.group_version = {text_at(object, "group"), text_at(object, "version")};
        info.name_space = text_at(object, "namespace");
        info.resource = text_at(object, "resource");
        info.subresource = text_at(object, "subresource");
        info.name = text_at(object, "name");
    } else if (const auto* other = spec.if_contains("nonResourceAttributes"); other && other->is_object()) {
        info.verb = text_at(other->get_object(), "verb");
        path = text_at(other->get_object(), "path");
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
    User user{text_at(spec, "user"), text_at(spec, "uid"), {}};
    if (const auto* groups = spec.if_contains("groups"); groups && groups->is_array())
        for (const auto& group : groups->get_array())
            if (group.is_string()) user.groups.emplace_back(group.get_string());
    return user;
}

}  // namespace

bool is_review(const schema::Kind& kind) {
    return kind.group_version.group == "authorization.k8s.io" || kind.group_version.group == "authentication.k8s.io";
}

Outcome<json::value> answer_review(const Call& call, json::value review) {
    auto& object = review.get_object();
    auto* found = object.if_contains("spec");
    static const json::object none;
    const auto& spec = found && found->is_object() ? found->get_object() : none;
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
