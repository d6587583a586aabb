// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/guard.h"

#include <set>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/api/metadata.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::api {

namespace {

constexpr std::string_view rbac = "rbac.authorization.k8s.io";

bool same_member(const json::object& left, const json::object& right, std::string_view name) {
    const auto *one = left.if_contains(name), *other = right.if_contains(name);
    return one && other ? *one == *other : one == other;
}

const std::vector<access::Rule>& everything() {
    static const std::vector<access::Rule> rules = {{.verbs = {"*"}, .groups = {"*"}, .resources = {"*"}},
                                                    {.verbs = {"*"}, .urls = {"*"}}};
    return rules;
}

access::Action on_role(std::string_view verb, std::string_view kind, const std::string& name_space,
                       const std::string& name) {
    access::Action action;
    action.verb = verb;
    action.group = rbac;
    action.resource = kind == "Role" ? "roles" : "clusterroles";
    action.name_space = name_space;
    action.name = name;
    return action;
}

// Of what is not there yet, PUT and apply make a new object: that takes the verb create, too.
access::Action creation(const Call& call) {
    access::Action action;
    action.verb = "create";
    action.group = call.kind.group_version.group;
    action.resource = call.kind.plural;
    action.name_space = call.name_space;
    action.name = call.name;
    return action;
}

// Whoever grants rules must have them.
Outcome<void> check_held(const access::Policy& policy, const Call& call, const std::string& name,
                         const std::vector<access::Rule>& wanted) {
    auto held = policy.holdings(call.user, call.name_space);
    auto missing = access::missing_rules(held.rules, wanted);
    if (missing.empty()) return {};
    std::set<std::string> lines;
    for (const auto& rule : missing) lines.insert(rule.text());
    auto text = fmt::format("user {} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
                            json_quote(call.user.name), access::text_of(call.user.groups),
                            join({lines.begin(), lines.end()}, "\n"));
    if (!held.errors.empty()) text += fmt::format("; resolution errors: [{}]", join(held.errors, ", "));
    return forbidden(call.kind, name, text);
}

Outcome<void> check_role(const access::Policy& policy, const Call& call, const json::object& object,
                         const json::object* before) {
    bool same = before && same_member(object, *before, "rules") && same_member(object, *before, "aggregationRule");
    if (same) return {};
    auto name = std::string(meta_text(object, "name"));
    if (policy.judge(call.user, on_role("escalate", call.kind.name, call.name_space, name)).is_allowed) return {};
    const auto* sum = object.if_contains("aggregationRule");
    if (sum && !sum->is_null() && !access::missing_rules(policy.holdings(call.user, "").rules, everything()).empty())
        return forbidden(call.kind, name, "must have cluster-admin privileges to use the aggregationRule");
    return check_held(policy, call, name, access::read_rules(object));
}

Outcome<void> check_binding(const access::Policy& policy, const Call& call, const json::object& object) {
    auto name = std::string(meta_text(object, "name"));
    const auto* reference = object.if_contains("roleRef");
    if (!reference || !reference->is_object()) return {};  // validation has its own words for that
    access::RoleName role{std::string(kinds::text_at(reference->get_object(), "kind")), call.name_space,
                          std::string(kinds::text_at(reference->get_object(), "name"))};
    if (role.kind != "Role" && role.kind != "ClusterRole") return {};
    if (policy.judge(call.user, on_role("bind", role.kind, call.name_space, role.name)).is_allowed) return {};
    auto rules = TRY(policy.rules_of(role));
    return check_held(policy, call, name, rules);
}

}  // namespace

Outcome<void> guard_write(const Access& access, const Call& call, json::object& object, const json::object* before) {
    const auto& policy = access.policy();
    const auto& group = call.kind.group_version.group;
    if (!before) TRY(access.authorize(call.user, creation(call)));
    if (group == "certificates.k8s.io" && call.kind.name == "CertificateSigningRequest")
        return guard_certificate_request(policy, call, object, before);
    if (group != rbac || call.user.is_in(access::masters_group)) return {};
    if (call.kind.name == "Role" || call.kind.name == "ClusterRole") return check_role(policy, call, object, before);
    return check_binding(policy, call, object);
}

}  // namespace pila::cluster::api
