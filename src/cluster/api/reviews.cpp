// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/reviews.h"

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/api/metadata.h"
#include "cluster/codec/codec.h"
#include "cluster/kinds/tree.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::api {

namespace {

json::array written(const std::vector<std::string>& list) { return json::array(list.begin(), list.end()); }

json::object written(const User& user) {
    json::object info{{"username", user.name}};
    if (!user.uid.empty()) info["uid"] = user.uid;
    info["groups"] = written(user.groups);
    json::object extra;
    for (const auto& [name, values] : user.extra) extra[name] = written(values);
    if (!extra.empty()) info["extra"] = std::move(extra);
    return info;
}

// The request that an access review asks about.
access::Action asked_action(const json::object& spec) {
    access::Action action;
    if (const auto* asked = kinds::object_at(spec, "resourceAttributes")) {
        action.verb = kinds::text_at(*asked, "verb");
        action.group = kinds::text_at(*asked, "group");
        action.resource = kinds::text_at(*asked, "resource");
        action.subresource = kinds::text_at(*asked, "subresource");
        action.name_space = kinds::text_at(*asked, "namespace");
        action.name = kinds::text_at(*asked, "name");
    } else if (const auto* other = kinds::object_at(spec, "nonResourceAttributes")) {
        action.is_resource = false;
        action.verb = kinds::text_at(*other, "verb");
        action.path = kinds::text_at(*other, "path");
    }
    return action;
}

Outcome<void> check_access_review(const Call& call, const json::object& spec) {
    bool resource = kinds::object_at(spec, "resourceAttributes"),
         other = kinds::object_at(spec, "nonResourceAttributes");
    std::vector<Cause> causes;
    if (resource && other)
        causes.push_back(kinds::invalid_value("spec.nonResourceAttributes", "null",
                                              "cannot be specified in combination with resourceAttributes"));
    if (!resource && !other)
        causes.push_back(
            kinds::invalid_value("spec.resourceAttributes", "null",
                                 "exactly one of nonResourceAttributes or resourceAttributes must be specified"));
    bool names_user = call.kind.name == "SelfSubjectAccessReview" || !kinds::text_at(spec, "user").empty() ||
                      !kinds::texts_at(spec, "groups").empty();
    if (!names_user)
        causes.push_back(kinds::invalid_value("spec.user", "\"\"", "at least one of user or group must be specified"));
    if (!causes.empty()) return invalid(call.kind, "", std::move(causes));
    if (call.kind.name != "LocalSubjectAccessReview") return {};
    if (!resource || kinds::text_at(*kinds::object_at(spec, "resourceAttributes"), "namespace") != call.name_space)
        return bad_request(fmt::format("spec.resourceAttributes.namespace must match namespace: {}", call.name_space));
    return {};
}

Outcome<json::object> access_verdict(const Access& access, const Call& call, const json::object& spec) {
    TRY(check_access_review(call, spec));
    User user = call.user;
    if (call.kind.name != "SelfSubjectAccessReview")
        user = {std::string(kinds::text_at(spec, "user")), std::string(kinds::text_at(spec, "uid")),
                kinds::texts_at(spec, "groups")};
    auto verdict = access.policy().judge(user, asked_action(spec));
    json::object status{{"allowed", verdict.is_allowed}};
    if (!verdict.reason.empty()) status["reason"] = verdict.reason;
    return status;
}

Outcome<json::object> rules_status(const Access& access, const Call& call, const json::object& spec) {
    std::string space(kinds::text_at(spec, "namespace"));
    if (space.empty()) return bad_request("no namespace on request");
    auto held = access.policy().holdings(call.user, space);
    json::array resources, others;
    for (auto& rule : access::write_rules(held.rules)) {
        auto& list = rule.get_object().contains("nonResourceURLs") ? others : resources;
        list.push_back(std::move(rule));
    }
    json::object status{{"resourceRules", std::move(resources)},
                        {"nonResourceRules", std::move(others)},
                        {"incomplete", !held.errors.empty()}};
    if (!held.errors.empty()) status["evaluationError"] = join(held.errors, ", ");
    return status;
}

Outcome<json::object> token_status(const Access& access, const json::object& spec) {
    auto token = kinds::text_at(spec, "token");
    if (token.empty()) return bad_request("token is required for TokenReview in authentication");
    auto identified = access.authenticator().identify(token, kinds::texts_at(spec, "audiences"));
    if (!identified) return json::object{{"authenticated", false}, {"error", identified.error().message()}};
    return json::object{
        {"authenticated", true}, {"user", written(identified->user)}, {"audiences", written(identified->audiences)}};
}

}  // namespace

bool is_review(const schema::Kind& kind) {
    return kind.group_version.group == "authorization.k8s.io" || kind.group_version.group == "authentication.k8s.io";
}

Outcome<void> fit_question(json::value& question, std::string_view type) {
    const auto* found = schema::Catalogue::builtin().find_type(type);
    if (!found || !question.is_object()) return bad_request("the body is not an object");
    codec::Faults faults;
    schema::Node node{.form = schema::Form::Message, .type = found};
    auto fitted = codec::fit(question, node, faults);
    if (!fitted)
        return bad_request(fmt::format("{} in version \"v1\" cannot be handled as a {}: {}", found->name, found->name,
                                       fitted.error().message()));
    codec::apply_defaults(question, node);
    return {};
}

Outcome<json::value> answer_review(const Access& access, const Call& call, json::value review) {
    TRY(fit_question(review, call.kind.type->full_name));
    auto& object = review.get_object();
    static const json::object none;
    const auto* found = kinds::object_at(object, "spec");
    const auto& spec = found ? *found : none;
    const auto& name = call.kind.name;
    auto& metadata = meta(object);
    if (name == "SelfSubjectReview") {
        metadata["creationTimestamp"] = now_text();
        object["status"] = json::object{{"userInfo", written(call.user)}};
    } else if (name == "SelfSubjectRulesReview") {
        object["status"] = TRY(rules_status(access, call, spec));
    } else if (name == "TokenReview") {
        object["status"] = TRY(token_status(access, spec));
    } else {
        object["status"] = TRY(access_verdict(access, call, spec));
    }
    if (!metadata.contains("creationTimestamp")) metadata["creationTimestamp"] = nullptr;
    return review;
}

}  // namespace pila::cluster::api
