// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/claims.h"

#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

Outcome<json::object> adopt(Informer& informer, const Client& client, const json::object& owner,
                            const schema::Kind& owner_kind, const json::object& orphan) {
    json::array owners;
    if (const auto* known = list_in(orphan, "metadata.ownerReferences")) owners = *known;
    owners.push_back(reference_to(owner, owner_kind));
    return client.set_owners(informer.kind(), orphan, std::move(owners));
}

Outcome<json::object> let_go(Informer& informer, const Client& client, const json::object& owner,
                             const json::object& stranger) {
    json::array owners;
    auto uid = text_in(owner, "metadata.uid");
    if (const auto* known = list_in(stranger, "metadata.ownerReferences"))
        for (const auto& one : *known)
            if (!one.is_object() || text_in(one.get_object(), "uid") != uid) owners.push_back(one);
    return client.set_owners(informer.kind(), stranger, std::move(owners));
}

// Nothing to do any more: it is gone, or another one by that name is there.
bool is_settled(const api::Status& status) { return is_not_found(status) || status.reason == "Invalid"; }

}  // namespace

void index_for_claims(Informer& informer) {
    informer.add_index(controller_index());
    informer.add_index(orphan_index());
}

Outcome<std::vector<json::object>> claim(Informer& informer, const Client& client, const json::object& owner,
                                         const schema::Kind& owner_kind, const api::LabelSelector& selector,
                                         const std::function<bool(const json::object&)>& may_adopt) {
    std::vector<json::object> mine;
    bool owner_goes = is_going(owner);
    for (const auto& object : informer.by("controller", text_in(owner, "metadata.uid"))) {
        auto tree = TRY(Client::read(*object));
        if (selector.matches(object->attributes)) {
            mine.push_back(std::move(tree));
        } else if (!owner_goes) {
            auto freed = let_go(informer, client, owner, tree);
            if (!freed && !is_settled(freed.error())) return freed.take_error();
        }
    }
    if (owner_goes) return mine;
    for (const auto& object : informer.by("orphan", text_in(owner, "metadata.namespace"))) {
        if (!selector.matches(object->attributes)) continue;
        auto tree = TRY(Client::read(*object));
        if (is_going(tree) || (may_adopt && !may_adopt(tree))) continue;
        auto adopted = adopt(informer, client, owner, owner_kind, tree);
        if (!adopted && is_settled(adopted.error())) continue;
        if (!adopted) return adopted.take_error();
        mine.push_back(adopted.take());
    }
    return mine;
}

Result<api::LabelSelector> selector_of(const json::object& object) {
    const auto* selector = object_in(object, "spec.selector");
    if (!selector) return Error(Errc::Invalid, "no selector");
    if (selector->contains("matchLabels") || selector->contains("matchExpressions") || selector->empty())
        return api::LabelSelector::read(*selector);
    json::object wrapped;
    wrapped["matchLabels"] = *selector;
    return api::LabelSelector::read(wrapped);
}

namespace {

void tell_of(const ObjectPointer& object, bool orphans_too, state::State& state, const schema::Kind& owners,
             const std::function<void(const std::string& key)>& tell) {
    // Somebody's, but of another kind: most of what passes here.
    auto raw = raw_owners(*object);
    bool is_anothers = raw.find("\"controller\":true") != std::string_view::npos &&
                       raw.find("\"" + owners.name + "\"") == std::string_view::npos;
    if (is_anothers) return;
    auto tree = seen(*object);
    if (!tree) return;
    auto space = std::string(text_in(*tree, "metadata.namespace"));
    if (auto owner = controller_of(*tree)) {
        if (owner->kind == owners.name && owner->api_version == owners.group_version.text())
            tell(space + "/" + owner->name);
        return;
    }
    if (!orphans_too) return;
    auto page = state.list(api::prefix_of(owners, space), "", 0, 0);
    if (!page) return;
    for (const auto& candidate : page->objects) {
        auto candidate_tree = seen(*candidate);
        auto selector = candidate_tree ? selector_of(*candidate_tree) : Error(Errc::Invalid, "unreadable");
        if (selector && !selector->empty() && selector->matches(object->attributes)) tell(name_key(owners, *candidate));
    }
}

}  // namespace

void follow_owned(Informers& informers, state::State& state, const schema::Kind& owned, const schema::Kind& owners,
                  std::function<void(const std::string& key)> tell) {
    auto& informer = informers.of(owned);
    index_for_claims(informer);
    informer.add_handler([&state, &owners, tell](const ObjectPointer& before, const ObjectPointer& now) {
        // An orphan that went is of no interest; one that was let go may find another owner.
        if (before && (!now || raw_owners(*before) != raw_owners(*now))) tell_of(before, false, state, owners, tell);
        if (now) tell_of(now, true, state, owners, tell);
    });
}

}  // namespace pila::cluster::controllers
