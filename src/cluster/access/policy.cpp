// SPDX-License-Identifier: Apache-2.0
#include "cluster/access/policy.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::access {

namespace {

constexpr std::size_t events_at_once = 500;
constexpr std::string_view group_prefix = "rbac.authorization.k8s.io/";
constexpr std::array prefixes = {"rbac.authorization.k8s.io/clusterroles/", "rbac.authorization.k8s.io/roles/",
                                 "rbac.authorization.k8s.io/clusterrolebindings/",
                                 "rbac.authorization.k8s.io/rolebindings/"};

// Under which bindings that name a user or group are found, within a namespace ("": in all of them).
std::string subject_key(const std::string& name_space, char kind, std::string_view name) {
    std::string key;
    key.reserve(name_space.size() + name.size() + 2);
    key += name_space;
    key += '\n';  // stands in no name of a namespace
    key += kind;
    key += name;
    return key;
}

std::string role_key(const RoleName& role) {
    if (role.kind == "ClusterRole") return prefixes[0] + role.name;
    return prefixes[1] + role.name_space + "/" + role.name;
}

std::string joined(const std::vector<std::string>& errors) {
    return errors.size() == 1 ? errors.front() : "[" + join(errors, ", ") + "]";
}

}  // namespace

struct Policy::Binding {
    struct Subject {
        std::string key;   // of by_subject_
        std::string text;  // Group "system:masters"
    };
    std::string name_space, name;
    RoleName role;
    std::vector<Subject> subjects;

    std::string text(const Subject& subject) const {
        auto own = name_space.empty() ? fmt::format("ClusterRoleBinding {}", json_quote(name))
                                      : fmt::format("RoleBinding {}", json_quote(name + "/" + name_space));
        return fmt::format("{} of {} {} to {}", own, role.kind, json_quote(role.name), subject.text);
    }
    static Binding read(std::string_view key, const json::object& object);
    void add_subject(const json::object& object);
};

Policy::Binding Policy::Binding::read(std::string_view key, const json::object& object) {
    Binding made;
    auto rest = key.substr(key.find('/', group_prefix.size()) + 1);
    auto slash = rest.find('/');
    if (slash != rest.npos) made.name_space = rest.substr(0, slash);
    made.name = slash == rest.npos ? rest : rest.substr(slash + 1);
    if (const auto* role = kinds::object_at(object, "roleRef"))
        made.role = {std::string(kinds::text_at(*role, "kind")), made.name_space,
                     std::string(kinds::text_at(*role, "name"))};
    const auto* subjects = object.if_contains("subjects");
    if (subjects && subjects->is_array())
        for (const auto& subject : subjects->get_array())
            if (subject.is_object()) made.add_subject(subject.get_object());
    return made;
}

void Policy::Binding::add_subject(const json::object& object) {
    auto kind = kinds::text_at(object, "kind");
    std::string its_name(kinds::text_at(object, "name"));
    if (kind == "ServiceAccount") {
        std::string space(kinds::text_at(object, "namespace"));
        if (space.empty()) space = name_space;
        if (space.empty() || its_name.empty()) return;
        subjects.push_back({subject_key(name_space, 'u', AccountName{space, its_name}.user_name()),
                            fmt::format("ServiceAccount {}", json_quote(its_name + "/" + space))});
    } else if (kind == "User" || kind == "Group") {
        subjects.push_back({subject_key(name_space, kind == "User" ? 'u' : 'g', its_name),
                            fmt::format("{} {}", kind, json_quote(its_name))});
    }
}

struct Policy::Source {
    std::string prefix;
    std::unique_ptr<state::Watch> watch;  // null: to be read anew
};

Policy::Policy(state::State& state)
    : state_(state), wanted_(std::make_shared<std::atomic<std::uint64_t>>(1)) {  // the first read is still to do
    for (std::size_t index = 0; index < prefixes.size(); ++index) {
        sources_[index] = std::make_unique<Source>();
        sources_[index]->prefix = prefixes[index];
    }
}

Policy::~Policy() = default;

// Whoever comes while somebody else reads the news waits for it: its own write may be among them.
void Policy::refresh() const {
    if (done_.load() >= wanted_->load()) return;
    Lock lock(refreshing_);
    auto wanted = wanted_->load();
    if (done_.load() >= wanted) return;
    for (auto& source : sources_) {
        bool more = true;
        while (more) {
            if (!source->watch) {
                reload(*source);
                if (!source->watch) return;  // done_ stays behind: the next asker tries again
            }
            auto events = source->watch->events(events_at_once);
            if (!events) {  // Gone: nobody has asked for long
                source->watch.reset();
                continue;
            }
            more = events->size() == events_at_once;
            if (events->empty()) continue;
            std::unique_lock tables(tables_);
            for (const auto& event : *events) take(*event.object, event.type == state::EventType::Deleted);
        }
    }
    done_.store(wanted);
}

void Policy::reload(Source& source) const {
    auto page = state_.list(source.prefix, "", 0, 0);
    if (!page) return log::error("read {}: {}", source.prefix, page.error().message());
    auto watch = state_.watch(source.prefix, page->revision, [wanted = wanted_] { wanted->fetch_add(1); });
    if (!watch) return log::error("watch {}: {}", source.prefix, watch.error().message());
    std::unique_lock tables(tables_);
    std::vector<std::string> old;
    for (const auto& [key, role] : roles_)
        if (key.starts_with(source.prefix)) old.push_back(key);
    for (const auto& key : old) roles_.erase(key);
    old.clear();
    for (const auto& [key, binding] : bindings_)
        if (key.starts_with(source.prefix)) old.push_back(key);
    for (const auto& key : old) forget_binding(key);
    for (const auto& object : page->objects) take(*object, false);
    source.watch = watch.take();
}

void Policy::take(const state::Object& object, bool is_gone) const {
    const auto& key = object.key;
    bool is_role = key.starts_with(prefixes[0]) || key.starts_with(prefixes[1]);
    if (is_role && is_gone) {
        roles_.erase(key);
        return;
    }
    if (!is_role) forget_binding(key);
    if (is_gone) return;
    auto tree = parse_json(object.bytes);
    if (!tree || !tree->is_object()) return log::error("{} cannot be read", key);
    if (is_role) {
        roles_[key] = read_rules(tree->get_object());
        return;
    }
    auto binding = std::make_shared<const Binding>(Binding::read(key, tree->get_object()));
    for (const auto& subject : binding->subjects) by_subject_[subject.key].push_back(binding);
    bindings_[key] = std::move(binding);
}

void Policy::forget_binding(const std::string& key) const {
    auto found = bindings_.find(key);
    if (found == bindings_.end()) return;
    for (const auto& subject : found->second->subjects) {
        auto list = by_subject_.find(subject.key);
        if (list == by_subject_.end()) continue;
        std::erase(list->second, found->second);
        if (list->second.empty()) by_subject_.erase(list);
    }
    bindings_.erase(found);
}

const std::vector<Rule>* Policy::find_role(const RoleName& role) const {
    auto found = roles_.find(role_key(role));
    return found == roles_.end() ? nullptr : &found->second;
}

template <typename Visit>
void Policy::each_binding(const User& user, const std::string& name_space, Visit visit) const {
    auto look = [&](const std::string& space, char kind, const std::string& name) {
        auto key = subject_key(space, kind, name);
        auto found = by_subject_.find(key);
        if (found == by_subject_.end()) return true;
        for (const auto& binding : found->second) {
            auto subject = std::find_if(binding->subjects.begin(), binding->subjects.end(),
                                        [&](const auto& one) { return one.key == key; });
            if (!visit(*binding, *subject)) return false;
        }
        return true;
    };
    auto look_in = [&](const std::string& space) {
        return look(space, 'u', user.name) && std::all_of(user.groups.begin(), user.groups.end(),
                                                          [&](const auto& group) { return look(space, 'g', group); });
    };
    if (look_in("") && !name_space.empty()) look_in(name_space);
}

Verdict Policy::judge(const User& user, const Action& action) const {
    if (user.is_in(masters_group)) return {true, ""};
    refresh();
    std::shared_lock tables(tables_);
    Verdict verdict;
    std::vector<std::string> errors;
    each_binding(user, action.is_resource ? action.name_space : "", [&](const auto& binding, const auto& subject) {
        const auto* rules = find_role(binding.role);
        if (!rules) {
            errors.push_back(fmt::format("{}.rbac.authorization.k8s.io {} not found", to_lower(binding.role.kind),
                                         json_quote(binding.role.name)));
            return true;
        }
        bool allows = std::any_of(rules->begin(), rules->end(), [&](const Rule& rule) { return rule.allows(action); });
        if (allows) verdict = {true, "RBAC: allowed by " + binding.text(subject)};
        return !allows;
    });
    if (!verdict.is_allowed && !errors.empty()) verdict.reason = "RBAC: " + joined(errors);
    return verdict;
}

Holdings Policy::holdings(const User& user, const std::string& name_space) const {
    Holdings held;
    if (user.is_in(masters_group)) {
        held.rules = {{.verbs = {"*"}, .groups = {"*"}, .resources = {"*"}}, {.verbs = {"*"}, .urls = {"*"}}};
        return held;
    }
    refresh();
    std::shared_lock tables(tables_);
    each_binding(user, name_space, [&](const auto& binding, const auto&) {
        if (const auto* rules = find_role(binding.role))
            held.rules.insert(held.rules.end(), rules->begin(), rules->end());
        else
            held.errors.push_back(fmt::format("{}.rbac.authorization.k8s.io {} not found", to_lower(binding.role.kind),
                                              json_quote(binding.role.name)));
        return true;
    });
    return held;
}

Result<std::vector<Rule>> Policy::rules_of(const RoleName& role) const {
    refresh();
    std::shared_lock tables(tables_);
    if (const auto* rules = find_role(role)) return *rules;
    return Error(Errc::NotFound,
                 fmt::format("{}s.rbac.authorization.k8s.io {} not found", to_lower(role.kind), json_quote(role.name)));
}

}  // namespace pila::cluster::access
