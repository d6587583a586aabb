// SPDX-License-Identifier: Apache-2.0
// Requests for certificates: who asks is the server's to say, what is asked for stays as it was, and decisions and
// certificates come from whoever may speak for the signer.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/api/guard.h"
#include "cluster/api/metadata.h"
#include "cluster/api/signers.h"
#include "cluster/kinds/tree.h"
#include "crypto/base64.h"
#include "crypto/certificates.h"

namespace pila::cluster::api {

namespace {

json::object& object_in(json::object& object, std::string_view name) {
    auto& value = object[name];
    if (!value.is_object()) value.emplace_object();
    return value.get_object();
}

const json::value* status_member(const json::object& object, std::string_view name) {
    const auto* status = object.if_contains("status");
    return status && status->is_object() ? status->get_object().if_contains(name) : nullptr;
}

const json::array& conditions_of(const json::object& object) {
    static const json::array none;
    const auto* list = status_member(object, "conditions");
    return list && list->is_array() ? list->get_array() : none;
}

bool has_condition(const json::object& object, std::string_view type) {
    const auto& list = conditions_of(object);
    return std::any_of(list.begin(), list.end(), [&](const json::value& one) {
        return one.is_object() && kinds::text_at(one.get_object(), "type") == type;
    });
}

void set_requester(json::object& spec, const User& user) {
    for (auto name : {"username", "uid", "groups", "extra"}) spec.erase(name);
    spec["username"] = user.name;
    if (!user.uid.empty()) spec["uid"] = user.uid;
    if (!user.groups.empty()) spec["groups"] = json::array(user.groups.begin(), user.groups.end());
    json::object extra;
    for (const auto& [name, values] : user.extra) extra[name] = json::array(values.begin(), values.end());
    if (!extra.empty()) spec["extra"] = std::move(extra);
}

// Membership of the group that may do everything is not to be had by a certificate.
Outcome<void> check_subject(const Call& call, const json::object& object, const json::object& spec) {
    if (kinds::text_at(spec, "signerName") != client_signer) return {};
    auto pem = crypto::base64_decode(kinds::text_at(spec, "request"));
    auto facts = pem ? crypto::read_request(*pem) : Error(Errc::Invalid, "it is not base64");
    if (!facts)
        return invalid(call.kind, meta_text(object, "name"),
                       {kinds::invalid_value("spec.request", "\"\"", facts.error().message())});
    const auto& groups = facts->subject.organizations;
    if (std::find(groups.begin(), groups.end(), access::masters_group) == groups.end()) return {};
    return forbidden(
        call.kind, meta_text(object, "name"),
        fmt::format("use of {} signer with {} group is not allowed", client_signer, access::masters_group));
}

// Of one signer, or of all of a domain: "example.com/*".
Outcome<void> check_signer(const access::Policy& policy, const Call& call, std::string_view verb,
                           std::string_view doing, const std::string& signer) {
    access::Action action;
    action.verb = verb;
    action.group = "certificates.k8s.io";
    action.resource = "signers";
    action.name = signer;
    if (policy.judge(call.user, action).is_allowed) return {};
    action.name = signer.substr(0, signer.find('/')) + "/*";
    if (policy.judge(call.user, action).is_allowed) return {};
    return forbidden(call.kind, call.name,
                     fmt::format("user not permitted to {} requests with signerName {}", doing, json_quote(signer)));
}

Outcome<void> check_decision(const Call& call, const json::object& object, const json::object& before) {
    std::vector<Cause> causes;
    for (auto type : {"Approved", "Denied"})
        if (has_condition(before, type) && !has_condition(object, type))
            causes.push_back(kinds::forbidden_field(
                "status.conditions", fmt::format("updates may not remove a condition of type \"{}\"", type)));
    if (has_condition(object, "Approved") && has_condition(object, "Denied"))
        causes.push_back(kinds::invalid_value("status.conditions", "\"Denied\"",
                                              "Approved and Denied conditions are mutually exclusive"));
    if (causes.empty()) return {};
    return invalid(call.kind, call.name, std::move(causes));
}

void stamp_conditions(json::object& object) {
    auto* status = object.if_contains("status");
    auto* list = status && status->is_object() ? status->get_object().if_contains("conditions") : nullptr;
    if (!list || !list->is_array()) return;
    for (auto& one : list->get_array()) {
        if (!one.is_object()) continue;
        for (auto name : {"lastUpdateTime", "lastTransitionTime"})
            if (kinds::text_at(one.get_object(), name).empty()) one.get_object()[name] = now_text();
    }
}

void keep_status_member(json::object& object, const json::object& before, std::string_view name) {
    if (const auto* value = status_member(before, name))
        object_in(object, "status")[name] = *value;
    else if (status_member(object, name))
        object_in(object, "status").erase(name);
}

// By /status: decisions stay as they are, everything else of the conditions may change.
void keep_decisions(json::object& object, const json::object& before) {
    json::array kept;
    auto is_decision = [](const json::value& one) {
        auto type = one.is_object() ? kinds::text_at(one.get_object(), "type") : std::string_view();
        return type == "Approved" || type == "Denied";
    };
    for (const auto& one : conditions_of(before))
        if (is_decision(one)) kept.push_back(one);
    for (const auto& one : conditions_of(object))
        if (!is_decision(one)) kept.push_back(one);
    if (!kept.empty()) object_in(object, "status")["conditions"] = std::move(kept);
}

}  // namespace

Outcome<void> guard_certificate_request(const access::Policy& policy, const Call& call, json::object& object,
                                        const json::object* before) {
    auto& spec = object_in(object, "spec");
    if (!before) {
        set_requester(spec, call.user);
        return check_subject(call, object, spec);
    }
    if (const auto* asked = before->if_contains("spec")) object["spec"] = *asked;
    std::string signer(kinds::text_at(object_in(object, "spec"), "signerName"));
    if (call.subresource == "approval") {
        keep_status_member(object, *before, "certificate");
        TRY(check_decision(call, object, *before));
        if (conditions_of(object) != conditions_of(*before))
            TRY(check_signer(policy, call, "approve", "approve", signer));
    } else if (call.subresource == "status") {
        keep_decisions(object, *before);
        const auto *now = status_member(object, "certificate"), *then = status_member(*before, "certificate");
        bool same = (now && then ? *now == *then : now == then) && conditions_of(object) == conditions_of(*before);
        if (!same) TRY(check_signer(policy, call, "sign", "sign", signer));
    }
    stamp_conditions(object);
    return {};
}

}  // namespace pila::cluster::api
