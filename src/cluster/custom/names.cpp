// SPDX-License-Identifier: Apache-2.0
// Who may be called what, and what a definition's status says of it
// (k8s.io/apiextensions-apiserver/pkg/controller/status).
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/custom/custom.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::custom {

using kinds::list_at;
using kinds::object_at;
using kinds::text_at;

namespace {

std::vector<std::string> texts(const json::object& object, std::string_view name) {
    std::vector<std::string> made;
    if (const auto* list = list_at(object, name))
        for (const auto& text : *list) made.emplace_back(kinds::text_of(text));
    return made;
}

bool has(const std::vector<std::string>& list, std::string_view text) {
    return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_resource(const std::vector<Names>& others, const std::string& name) {
    return std::any_of(others.begin(), others.end(), [&](const Names& other) {
        return other.plural == name || other.singular == name || has(other.short_names, name);
    });
}

bool is_kind(const std::vector<Names>& others, const std::string& name) {
    return std::any_of(others.begin(), others.end(),
                       [&](const Names& other) { return other.kind == name || other.list_kind == name; });
}

json::object write_names(const Names& names, const json::storage_ptr& memory) {
    json::object made(memory);
    auto text = [&](std::string_view member, const std::string& value) {
        if (!value.empty()) made[member] = value;
    };
    auto list = [&](std::string_view member, const std::vector<std::string>& values) {
        if (values.empty()) return;
        auto& out = made[member].emplace_array();
        for (const auto& value : values) out.emplace_back(value);
    };
    list("categories", names.categories);
    made["kind"] = names.kind;
    text("listKind", names.list_kind);
    made["plural"] = names.plural;
    list("shortNames", names.short_names);
    text("singular", names.singular);
    return made;
}

struct Condition {
    std::string_view type, status, reason, message;
};

// The time is that of the last change of the status, not of the words.
void set_condition(json::array& conditions, const Condition& condition, std::string_view now) {
    json::object* found = nullptr;
    for (auto& one : conditions)
        if (auto* object = one.if_object(); object && text_at(*object, "type") == condition.type) found = object;
    if (!found) found = &conditions.emplace_back(json::object()).get_object();
    if (text_at(*found, "status") != condition.status) (*found)["lastTransitionTime"] = now;
    (*found)["message"] = condition.message;
    (*found)["reason"] = condition.reason;
    (*found)["status"] = condition.status;
    (*found)["type"] = condition.type;
}

bool is_true(const json::array* conditions, std::string_view type) {
    bool found = false;
    kinds::each_object(conditions, [&](const json::object& condition, std::size_t) {
        found = found || (text_at(condition, "type") == type && text_at(condition, "status") == "True");
    });
    return found;
}

void add_stored_version(json::object& status, const json::object& spec) {
    auto& stored = status["storedVersions"];
    if (!stored.is_array()) stored.emplace_array();
    kinds::each_object(list_at(spec, "versions"), [&](const json::object& version, std::size_t) {
        const json::value name(text_at(version, "name"));
        auto& list = stored.get_array();
        if (kinds::flag_at(version, "storage") && std::find(list.begin(), list.end(), name) == list.end())
            list.push_back(name);
    });
}

}  // namespace

Names read_names(const json::value* names) {
    const auto* object = names ? names->if_object() : nullptr;
    if (!object) return {};
    return {std::string(text_at(*object, "plural")),
            std::string(text_at(*object, "singular")),
            std::string(text_at(*object, "kind")),
            std::string(text_at(*object, "listKind")),
            texts(*object, "shortNames"),
            texts(*object, "categories")};
}

Acceptance accept_names(const Names& wanted, const Names& before, const std::vector<Names>& others) {
    Acceptance made{before, "", ""};
    auto take = [&](std::string Names::*name, bool is_taken, std::string_view reason) {
        if (!is_taken) {
            made.names.*name = wanted.*name;
            return;
        }
        made.reason = reason;
        made.message = fmt::format("{} is already in use", kinds::quoted(wanted.*name));
    };
    take(&Names::plural, is_resource(others, wanted.plural), "PluralConflict");
    take(&Names::singular, is_resource(others, wanted.singular), "SingularConflict");
    std::string taken;
    for (const auto& name : wanted.short_names)
        if (is_resource(others, name)) taken += (taken.empty() ? "" : ", ") + kinds::quoted(name);
    if (taken.empty()) {
        made.names.short_names = wanted.short_names;
    } else {
        made.reason = "ShortNamesConflict";
        made.message = taken + " is already in use";
    }
    take(&Names::kind, is_kind(others, wanted.kind), "KindConflict");
    take(&Names::list_kind, is_kind(others, wanted.list_kind), "ListKindConflict");
    made.names.categories = wanted.categories;
    return made;
}

void write_status(json::object& definition, const Acceptance& acceptance, std::string_view now) {
    auto& value = definition["status"];
    if (!value.is_object()) value.emplace_object();
    auto& status = value.get_object();
    status["acceptedNames"] = write_names(acceptance.names, definition.storage());
    auto& list = status["conditions"];
    if (!list.is_array()) list.emplace_array();
    auto& conditions = list.get_array();
    const bool is_accepted = acceptance.reason.empty();
    const bool was_established = is_true(&conditions, "Established");
    if (is_accepted)
        set_condition(conditions, {"NamesAccepted", "True", "NoConflicts", "no conflicts found"}, now);
    else
        set_condition(conditions, {"NamesAccepted", "False", acceptance.reason, acceptance.message}, now);
    if (is_accepted && !was_established)
        set_condition(conditions,
                      {"Established", "True", "InitialNamesAccepted", "the initial names have been accepted"}, now);
    if (!is_accepted && !was_established)
        set_condition(conditions, {"Established", "False", "NotAccepted", "not all names are accepted"}, now);
    const auto* metadata = object_at(static_cast<const json::object&>(definition), "metadata");
    if (metadata && kinds::has(*metadata, "deletionTimestamp") && !is_true(&conditions, "Terminating"))
        set_condition(conditions,
                      {"Terminating", "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"},
                      now);
    if (const auto* spec = object_at(static_cast<const json::object&>(definition), "spec"))
        add_stored_version(status, *spec);
}

bool is_established(const json::object& definition) {
    return is_true(list_at(definition, "status.conditions"), "Established");
}

}  // namespace pila::cluster::custom
