// SPDX-License-Identifier: Apache-2.0
// Objects whose owners are all gone go, too. An owner that is deleted in the foreground waits for those that hold it
// up; one that leaves orphans waits until nobody names it as owner. There is no graph: every informer finds its objects
// by their owners' uids, and whether an owner is there is asked of the state. Source: kube-controller-manager's
// pkg/controller/garbagecollector.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"
#include "cluster/schema/catalogue.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view foreground = "foregroundDeletion", orphan = "orphan";

bool is_collected(const schema::Kind& kind) {
    if (kind.name == "Event" || kind.stored) return false;
    return kind.has_verb("delete") && kind.has_verb("list") && kind.has_verb("watch");
}

bool waits_for_dependents(const json::object& object) { return is_going(object) && has_finalizer(object, foreground); }

class GarbageCollector : public Controller {
public:
    explicit GarbageCollector(const Means& means);
    Outcome<void> sync(const std::string& key) override;

private:
    enum class OwnerState : std::uint8_t { Solid, Waiting, Absent };
    struct Dependent {
        InformerPointer informer;
        ObjectPointer object;
        const schema::Kind& kind() const { return informer->kind(); }
    };

    void on_change(const ObjectPointer& before, const ObjectPointer& now);
    void tell_owners(const state::Object& object);
    api::KindPointer kind_of_owner(const Owner& owner) const;
    api::KindPointer kind_of_key(std::string_view key) const;
    ObjectPointer find_owner(const Owner& owner, std::string_view space) const;
    OwnerState state_of(const Owner& owner, std::string_view space, std::string_view gone) const;
    std::vector<Dependent> dependents_of(std::string_view uid);

    Outcome<void> look(const std::string& key, std::string_view gone);
    Outcome<void> judge(const schema::Kind& kind, const json::object& object, std::string_view gone);
    Outcome<void> wait_for_dependents(const schema::Kind& kind, const json::object& object);
    Outcome<void> leave_orphans(const schema::Kind& kind, const json::object& object);
    Outcome<void> drop_owners(const schema::Kind& kind, const json::object& object,
                              const std::vector<std::string>& uids);
    Outcome<void> drop_finalizer(const schema::Kind& kind, const json::object& object, std::string_view name);

    state::State& state_;
    std::map<std::string, const schema::Kind*, std::less<>> kinds_;  // the built-in ones, by "GROUP/RESOURCE/"
};

GarbageCollector::GarbageCollector(const Means& means)
    : Controller(means, "generic-garbage-collector"), state_(means.registry.state()) {
    for (const auto& kind : schema::Catalogue::builtin().kinds()) {
        if (!is_collected(kind) || !kinds_.emplace(api::prefix_of(kind, ""), &kind).second) continue;
        means_.informers.of(kind).add_handler(
            [this](const ObjectPointer& before, const ObjectPointer& now) { on_change(before, now); });
    }
    means_.informers.on_custom(
        [this](const schema::Kind&, const ObjectPointer& before, const ObjectPointer& now) { on_change(before, now); });
}

void GarbageCollector::on_change(const ObjectPointer& before, const ObjectPointer& now) {
    auto old_owners = before ? raw_owners(*before) : std::string_view();
    if (!now) {
        auto tree = seen(*before);
        if (tree) enqueue("gone " + std::string(text_in(*tree, "metadata.uid")));
        if (!old_owners.empty()) tell_owners(*before);
        return;
    }
    auto owners = raw_owners(*now);
    bool owners_changed = owners != old_owners;
    if (owners_changed && before && !old_owners.empty()) tell_owners(*before);
    bool ends = mentions(*now, "\"deletionTimestamp\":\"") &&
                (mentions(*now, "\"foregroundDeletion\"") || mentions(*now, "\"orphan\""));
    if ((owners_changed && !owners.empty()) || ends) enqueue("look " + now->key);
}

void GarbageCollector::tell_owners(const state::Object& object) {
    auto tree = seen(object);
    if (!tree) return;
    for (const auto& owner : owners_of(*tree)) {
        auto live = find_owner(owner, text_in(*tree, "metadata.namespace"));
        if (live && mentions(*live, "\"foregroundDeletion\"")) enqueue("look " + live->key);
    }
}

// In whatever version it is served: the one that the owner had may be gone.
api::KindPointer GarbageCollector::kind_of_owner(const Owner& owner) const {
    auto slash = owner.api_version.find('/');
    auto group = slash == std::string::npos ? "" : owner.api_version.substr(0, slash);
    for (const auto& [prefix, kind] : kinds_)
        if (kind->name == owner.kind && kind->group_version.group == group) return {api::KindPointer(), kind};
    const auto kinds = means_.directory.kinds();
    for (const auto& [name, definition] : kinds->definitions())
        if (definition->group == group && !definition->kinds.empty() && definition->kinds.front()->name == owner.kind)
            return {definition, definition->kinds.front()};
    return nullptr;
}

api::KindPointer GarbageCollector::kind_of_key(std::string_view key) const {
    auto prefix = key.substr(0, key.find('/', key.find('/') + 1) + 1);
    auto found = kinds_.find(prefix);
    if (found != kinds_.end()) return {api::KindPointer(), found->second};
    const auto kinds = means_.directory.kinds();
    auto slash = prefix.find('/');
    auto custom = kinds->definitions().find(
        fmt::format("{}.{}", prefix.substr(slash + 1, prefix.size() - slash - 2), prefix.substr(0, slash)));
    if (custom == kinds->definitions().end() || custom->second->kinds.empty()) return nullptr;
    return {custom->second, custom->second->kinds.front()};
}

ObjectPointer GarbageCollector::find_owner(const Owner& owner, std::string_view space) const {
    const auto kind = kind_of_owner(owner);
    if (!kind) return nullptr;
    return state_.get(api::key_of(*kind, kind->is_namespaced ? space : std::string_view(), owner.name));
}

GarbageCollector::OwnerState GarbageCollector::state_of(const Owner& owner, std::string_view space,
                                                        std::string_view gone) const {
    if (!gone.empty() && owner.uid == gone) return OwnerState::Absent;
    const auto kind = kind_of_owner(owner);
    // Of a kind that is not known here, or out of reach: nobody can say that it is gone.
    if (!kind || (kind->is_namespaced && space.empty())) return OwnerState::Solid;
    auto live = find_owner(owner, space);
    auto tree = live ? Client::read(*live) : api::Status(404, "NotFound", "");
    if (!tree || text_in(*tree, "metadata.uid") != owner.uid) return OwnerState::Absent;
    return waits_for_dependents(*tree) ? OwnerState::Waiting : OwnerState::Solid;
}

std::vector<GarbageCollector::Dependent> GarbageCollector::dependents_of(std::string_view uid) {
    std::vector<Dependent> dependents;
    for (const auto& informer : means_.informers.all())
        for (auto& object : informer->by("owner", uid)) dependents.push_back({informer, std::move(object)});
    return dependents;
}

Outcome<void> GarbageCollector::sync(const std::string& key) {
    auto what = key.substr(key.find(' ') + 1);
    if (key.starts_with("look ")) return look(what, "");
    if (key.starts_with("lost ")) {
        auto space = what.find(' ');
        return look(what.substr(space + 1), what.substr(0, space));
    }
    // They are told who went: a custom kind's definition may go meanwhile, and then nobody could say of the owner.
    for (const auto& dependent : dependents_of(what)) enqueue(fmt::format("lost {} {}", what, dependent.object->key));
    return {};
}

// `gone`: the uid of an owner that went; empty: none is known.
Outcome<void> GarbageCollector::look(const std::string& key, std::string_view gone) {
    auto live = state_.get(key);
    const auto kind = kind_of_key(key);
    if (!live || !kind) return {};
    auto object = TRY(Client::read(*live));
    auto done = [&]() -> Outcome<void> {
        if (is_going(object) && has_finalizer(object, orphan)) return leave_orphans(*kind, object);
        if (waits_for_dependents(object)) return wait_for_dependents(*kind, object);
        if (is_going(object)) return {};
        return judge(*kind, object, gone);
    }();
    if (!done && is_not_found(done.error())) return {};
    return done;
}

Outcome<void> GarbageCollector::judge(const schema::Kind& kind, const json::object& object, std::string_view gone) {
    auto space = text_in(object, "metadata.namespace");
    bool is_held = false, waits = false;
    std::vector<std::string> lost;
    for (const auto& owner : owners_of(object)) {
        auto how = state_of(owner, space, gone);
        if (how == OwnerState::Solid)
            is_held = true;
        else
            lost.push_back(owner.uid);
        waits = waits || how == OwnerState::Waiting;
    }
    if (lost.empty()) return {};
    if (is_held) return drop_owners(kind, object, lost);
    std::string propagation = "Background";
    if (waits && !dependents_of(text_in(object, "metadata.uid")).empty())
        propagation = "Foreground";
    else if (has_finalizer(object, orphan))
        propagation = "Orphan";
    else if (has_finalizer(object, foreground))
        propagation = "Foreground";
    return client_.remove(kind, object, propagation, Client::Only::SameRevision);
}

Outcome<void> GarbageCollector::wait_for_dependents(const schema::Kind& kind, const json::object& object) {
    auto uid = text_in(object, "metadata.uid");
    bool is_blocked = false;
    for (const auto& dependent : dependents_of(uid)) {
        auto tree = TRY(Client::read(*dependent.object));
        for (const auto& owner : owners_of(tree)) is_blocked = is_blocked || (owner.uid == uid && owner.blocks);
        if (!waits_for_dependents(tree)) enqueue("look " + dependent.object->key);
    }
    return is_blocked ? Outcome<void>() : drop_finalizer(kind, object, foreground);
}

Outcome<void> GarbageCollector::leave_orphans(const schema::Kind& kind, const json::object& object) {
    auto uid = std::string(text_in(object, "metadata.uid"));
    for (const auto& dependent : dependents_of(uid)) {
        auto tree = TRY(Client::read(*dependent.object));
        auto dropped = drop_owners(dependent.kind(), tree, {uid});
        if (!dropped && !is_not_found(dropped.error())) return dropped;
    }
    return drop_finalizer(kind, object, orphan);
}

Outcome<void> GarbageCollector::drop_owners(const schema::Kind& kind, const json::object& object,
                                            const std::vector<std::string>& uids) {
    json::array kept;
    const auto* owners = list_in(object, "metadata.ownerReferences");
    for (std::size_t index = 0; owners && index < owners->size(); ++index) {
        const auto* one = (*owners)[index].if_object();
        auto uid = one ? text_in(*one, "uid") : std::string_view();
        if (std::find(uids.begin(), uids.end(), uid) == uids.end()) kept.push_back((*owners)[index]);
    }
    TRY(client_.set_owners(kind, object, std::move(kept)));
    return {};
}

Outcome<void> GarbageCollector::drop_finalizer(const schema::Kind& kind, const json::object& object,
                                               std::string_view name) {
    json::array kept;
    if (const auto* known = list_in(object, "metadata.finalizers"))
        for (const auto& one : *known)
            if (!one.is_string() || std::string_view(one.get_string()) != name) kept.push_back(one);
    json::object change;
    auto& metadata = make_object_in(change, "metadata");
    metadata["resourceVersion"] = text_in(object, "metadata.resourceVersion");
    metadata["finalizers"] = std::move(kept);
    TRY(client_.patch(kind, object, std::move(change)));
    return {};
}

}  // namespace

std::unique_ptr<Controller> make_garbage_collector(const Means& means) {
    return std::make_unique<GarbageCollector>(means);
}

}  // namespace pila::cluster::controllers
