// SPDX-License-Identifier: Apache-2.0
#include "cluster/webhooks/hook.h"

#include <algorithm>

#include "cluster/codec/codec.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"
#include "crypto/base64.h"

namespace pila::cluster::webhooks {

namespace {

bool names(const std::vector<std::string>& list, std::string_view wanted) {
    return std::any_of(list.begin(), list.end(), [&](const auto& one) { return one == "*" || one == wanted; });
}

// "pods", "pods/status", "pods/*", "*", "*/scale", "*/*"
bool names_resource(const std::string& pattern, std::string_view resource, std::string_view subresource) {
    auto slash = pattern.find('/');
    auto first = std::string_view(pattern).substr(0, slash);
    if (first != "*" && first != resource) return false;
    if (slash == std::string::npos) return subresource.empty();
    auto second = std::string_view(pattern).substr(slash + 1);
    return second == "*" || second == subresource;
}

const json::object* labels_of(const json::object* object) {
    const auto* metadata = object ? kinds::object_at(*object, "metadata") : nullptr;
    return metadata ? kinds::object_at(*metadata, "labels") : nullptr;
}

}  // namespace

std::string_view text_of(Operation operation) {
    switch (operation) {
        case Operation::Create: return "CREATE";
        case Operation::Update: return "UPDATE";
        case Operation::Delete: break;
    }
    return "DELETE";
}

Hook::Hook(const json::object& description)
    : name_(kinds::text_at(description, "name")),
      is_vital_(kinds::text_at(description, "failurePolicy") != "Ignore"),
      is_exact_(kinds::text_at(description, "matchPolicy") == "Exact"),
      may_be_asked_again_(kinds::text_at(description, "reinvocationPolicy") == "IfNeeded"),
      timeout_(kinds::integer_at(description, "timeoutSeconds").value_or(10)) {
    auto versions = kinds::texts_at(description, "admissionReviewVersions");
    auto known = std::find_if(versions.begin(), versions.end(),
                              [](const auto& version) { return version == "v1" || version == "v1beta1"; });
    review_version_ = known == versions.end() ? "v1" : *known;
    kinds::each_object(kinds::list_at(description, "rules"), [&](const json::object& rule, std::size_t) {
        rules_.push_back({kinds::texts_at(rule, "operations"), kinds::texts_at(rule, "apiGroups"),
                          kinds::texts_at(rule, "apiVersions"), kinds::texts_at(rule, "resources"),
                          std::string(kinds::text_at(rule, "scope", "*"))});
    });
    if (const auto* selector = kinds::object_at(description, "namespaceSelector")) spaces_ = *selector;
    if (const auto* selector = kinds::object_at(description, "objectSelector")) objects_ = *selector;
    const auto* client = kinds::object_at(description, "clientConfig");
    if (!client) return;
    url_ = kinds::text_at(*client, "url");
    authorities_ = crypto::base64_decode(kinds::text_at(*client, "caBundle")).value_or("");
    if (const auto* service = kinds::object_at(*client, "service"))
        service_ = {std::string(kinds::text_at(*service, "namespace")), std::string(kinds::text_at(*service, "name")),
                    std::string(kinds::text_at(*service, "path")), kinds::integer_at(*service, "port").value_or(443)};
}

// Another version of the kind is as good, unless it is to be exact.
bool Hook::Rule::matches(const Subject& subject, bool exact) const {
    const auto& kind = subject.kind;
    if (scope == "Namespaced" && !kind.is_namespaced) return false;
    if (scope == "Cluster" && kind.is_namespaced) return false;
    return names(operations, text_of(subject.operation)) && names(groups, kind.group_version.group) &&
           (!exact || names(versions, kind.group_version.version)) &&
           std::any_of(resources.begin(), resources.end(),
                       [&](const auto& pattern) { return names_resource(pattern, kind.plural, subject.subresource); });
}

bool Hook::matches(const Subject& subject, const state::State& state) const {
    bool by_rule =
        std::any_of(rules_.begin(), rules_.end(), [&](const Rule& rule) { return rule.matches(subject, is_exact_); });
    return by_rule && selects_object(subject) && selects_namespace(subject, state);
}

bool Hook::selects_object(const Subject& subject) const {
    if (objects_.empty()) return true;
    return (subject.object && kinds::is_selected(&objects_, labels_of(subject.object))) ||
           (subject.before && kinds::is_selected(&objects_, labels_of(subject.before)));
}

// A namespace counts as within itself; what is in none is always meant.
bool Hook::selects_namespace(const Subject& subject, const state::State& state) const {
    if (spaces_.empty()) return true;
    bool is_space = subject.kind.name == "Namespace" && subject.kind.group_version.group.empty();
    if (is_space && subject.object) return kinds::is_selected(&spaces_, labels_of(subject.object));
    auto name = is_space ? subject.name : subject.name_space;
    if (name.empty()) return true;
    auto stored = state.get("core/namespaces/" + std::string(name));
    auto tree = stored ? codec::read_stored(stored->bytes) : Error(Errc::NotFound, "");
    return tree && tree->is_object() && kinds::is_selected(&spaces_, labels_of(&tree->get_object()));
}

}  // namespace pila::cluster::webhooks
