// SPDX-License-Identifier: Apache-2.0
#include "cluster/audit/policy.h"

#include <algorithm>
#include <optional>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/codec/codec.h"

namespace pila::cluster::audit {

namespace json = boost::json;

namespace {

constexpr std::string_view levels[] = {"None", "Metadata", "Request", "RequestResponse"};
constexpr std::string_view stages[] = {"RequestReceived", "ResponseStarted", "ResponseComplete"};

std::string_view text_at(const json::object& object, std::string_view name) {
    const auto* value = object.if_contains(name);
    return value && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

std::vector<std::string> texts_at(const json::object& object, std::string_view name) {
    std::vector<std::string> texts;
    const auto* value = object.if_contains(name);
    if (value && value->is_array())
        for (const auto& one : value->get_array())
            if (one.is_string()) texts.emplace_back(one.get_string());
    return texts;
}

bool has(const std::vector<std::string>& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

Result<std::set<Stage>> stages_at(const json::object& object, const std::string& where) {
    std::set<Stage> omitted;
    for (const auto& text : texts_at(object, "omitStages")) {
        auto found = std::find(std::begin(stages), std::end(stages), text);
        if (found == std::end(stages) && text != "Panic")
            return Error(Errc::Invalid, fmt::format("{}omitStages: there is no stage {}", where, text));
        if (found != std::end(stages)) omitted.insert(static_cast<Stage>(found - std::begin(stages)));
    }
    return omitted;
}

Result<bool> omits_managed_fields(const json::object& object, bool otherwise, const std::string& where) {
    const auto* value = object.if_contains("omitManagedFields");
    if (!value || value->is_null()) return otherwise;
    if (value->is_bool()) return value->get_bool();
    return Error(Errc::Invalid, where + "omitManagedFields: must be true or false");
}

}  // namespace

std::string_view text_of(Level level) { return levels[static_cast<std::size_t>(level)]; }
std::string_view text_of(Stage stage) { return stages[static_cast<std::size_t>(stage)]; }

Result<Policy> Policy::read(std::string_view text) {
    auto tree = TRY(codec::read_yaml(text, {}));
    const auto* object = tree.if_object();
    if (!object || text_at(*object, "kind") != "Policy" || text_at(*object, "apiVersion") != "audit.k8s.io/v1")
        return Error(Errc::Invalid, "it is no Policy of audit.k8s.io/v1");
    const auto* rules = object->if_contains("rules");
    if (!rules || !rules->is_array() || rules->get_array().empty())
        return Error(Errc::Invalid, "a policy without rules would log nothing");
    const auto omitted = TRY(stages_at(*object, ""));
    const bool omits = TRY(omits_managed_fields(*object, false, ""));
    Policy policy;
    for (const auto& value : rules->get_array()) {
        auto where = fmt::format("rules[{}].", policy.rules_.size());
        if (!value.is_object()) return Error(Errc::Invalid, where + ": it is no rule");
        const auto& from = value.get_object();
        Rule rule;
        auto level = std::find(std::begin(levels), std::end(levels), text_at(from, "level"));
        if (level == std::end(levels))
            return Error(Errc::Invalid, fmt::format("{}level: there is no level {}", where, text_at(from, "level")));
        rule.decision.level = static_cast<Level>(level - std::begin(levels));
        rule.decision.omitted = TRY(stages_at(from, where));
        rule.decision.omitted.insert(omitted.begin(), omitted.end());
        rule.decision.omits_managed_fields = TRY(omits_managed_fields(from, omits, where));
        rule.users = texts_at(from, "users");
        rule.groups = texts_at(from, "userGroups");
        rule.verbs = texts_at(from, "verbs");
        rule.name_spaces = texts_at(from, "namespaces");
        rule.urls = texts_at(from, "nonResourceURLs");
        const auto* resources = from.if_contains("resources");
        if (resources && resources->is_array())
            for (const auto& one : resources->get_array())
                if (const auto* entry = one.if_object())
                    rule.resources.push_back({std::string(text_at(*entry, "group")), texts_at(*entry, "resources"),
                                              texts_at(*entry, "resourceNames")});
        if (!rule.urls.empty() && (!rule.resources.empty() || !rule.name_spaces.empty()))
            return Error(Errc::Invalid, where + "nonResourceURLs: a rule is about resources or about other paths");
        policy.rules_.push_back(std::move(rule));
    }
    return policy;
}

Decision Policy::judge(const Attributes& attributes) const {
    for (const auto& rule : rules_)
        if (matches(rule, attributes)) return rule.decision;
    return {};
}

bool Policy::matches(const Rule& rule, const Attributes& attributes) {
    if (!rule.users.empty() && !has(rule.users, attributes.user)) return false;
    bool is_in_group = std::any_of(attributes.groups.begin(), attributes.groups.end(),
                                   [&](const std::string& group) { return has(rule.groups, group); });
    if (!rule.groups.empty() && !is_in_group) return false;
    if (!rule.verbs.empty() && !has(rule.verbs, attributes.verb)) return false;
    if (!rule.name_spaces.empty() || !rule.resources.empty()) return matches_resource(rule, attributes);
    if (rule.urls.empty()) return true;
    if (attributes.is_resource) return false;
    return std::any_of(rule.urls.begin(), rule.urls.end(), [&](std::string_view url) {
        if (!url.ends_with('*')) return url == attributes.path;
        return attributes.path.starts_with(url.substr(0, url.size() - 1));
    });
}

bool Policy::matches_resource(const Rule& rule, const Attributes& attributes) {
    if (!attributes.is_resource) return false;
    if (!rule.name_spaces.empty() && !has(rule.name_spaces, attributes.name_space)) return false;
    if (rule.resources.empty()) return true;
    const auto& sub = attributes.subresource;
    const auto whole = sub.empty() ? attributes.resource : attributes.resource + "/" + sub;
    return std::any_of(rule.resources.begin(), rule.resources.end(), [&](const Resources& one) {
        if (one.group != attributes.group) return false;
        if (one.resources.empty()) return true;
        if (!one.names.empty() && !has(one.names, attributes.name)) return false;
        return std::any_of(one.resources.begin(), one.resources.end(), [&](const std::string& name) {
            return name == "*" || name == whole || (!sub.empty() && name == "*/" + sub) ||
                   name == attributes.resource + "/*";
        });
    });
}

}  // namespace pila::cluster::audit
