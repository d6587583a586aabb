// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/revisions.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/controllers/claims.h"
#include "cluster/controllers/fields.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::controllers {

namespace {

constexpr int max_names = 10;  // of one template, before the next look tries on

std::int64_t number_of(const json::object& revision) { return number_in(revision, "revision"); }

}  // namespace

const schema::Kind& revision_kind() {
    static const auto& kind = kind_of("apps", "v1", "controllerrevisions");
    return kind;
}

Outcome<Revisions> Revisions::of(Informer& informer, const Client& client, const json::object& owner,
                                 const schema::Kind& owner_kind, const api::LabelSelector& selector,
                                 std::string_view hash_label) {
    Revisions revisions(client, owner, owner_kind, hash_label);
    revisions.all_ = TRY(claim(informer, client, owner, owner_kind, selector));
    std::sort(revisions.all_.begin(), revisions.all_.end(), [](const json::object& left, const json::object& right) {
        return std::tuple(number_of(left), time_in(left, "metadata.creationTimestamp"),
                          text_in(left, "metadata.name")) < std::tuple(number_of(right),
                                                                       time_in(right, "metadata.creationTimestamp"),
                                                                       text_in(right, "metadata.name"));
    });
    return revisions;
}

// It is stored as the patch that puts it back.
json::object Revisions::template_of(const json::object& revision) {
    json::object made;
    if (const auto* found = object_in(revision, "data.spec.template")) made = *found;
    made.erase("$patch");
    return made;
}

const json::object* Revisions::find(std::string_view name) const {
    for (const auto& one : all_)
        if (text_in(one, "metadata.name") == name) return &one;
    return nullptr;
}

std::string_view Revisions::hash_of(const json::object& revision) const {
    const auto* labels = object_in(revision, "metadata.labels");
    const auto* hash = labels ? labels->if_contains(hash_label_) : nullptr;
    return hash && hash->is_string() ? std::string_view(hash->get_string()) : std::string_view();
}

Outcome<const json::object*> Revisions::of_today(std::int64_t& collisions) {
    json::object today;
    if (const auto* given = object_in(owner_, "spec.template")) today = *given;
    auto newest = all_.empty() ? 0 : number_of(all_.back());
    for (auto at = all_.rbegin(); at != all_.rend(); ++at) {
        if (!kinds::is_same(template_of(*at), today)) continue;
        if (number_of(*at) == newest) return &*at;
        auto again = *at;
        again["revision"] = newest + 1;
        *at = TRY(client_.update(revision_kind(), std::move(again)));
        std::rotate(at.base() - 1, at.base(), all_.end());
        return &all_.back();
    }
    return make(today, newest + 1, collisions);
}

Outcome<const json::object*> Revisions::make(const json::object& wished, std::int64_t number,
                                             std::int64_t& collisions) {
    auto space = std::string(text_in(owner_, "metadata.namespace"));
    json::object revision;
    auto& metadata = make_object_in(revision, "metadata");
    metadata["namespace"] = space;
    metadata["ownerReferences"] = json::array{json::value(reference_to(owner_, owner_kind_))};
    if (const auto* labels = object_in(wished, "metadata.labels")) metadata["labels"] = *labels;
    if (const auto* notes = object_in(owner_, "metadata.annotations")) metadata["annotations"] = *notes;
    auto& kept = make_object_in(revision, "data.spec.template");
    kept = wished;
    kept["$patch"] = "replace";
    revision["revision"] = number;
    for (int attempt = 0; attempt < max_names; ++attempt) {
        auto hash = controllers::hash_of(wished, collisions);
        auto name = fmt::format("{}-{}", text_in(owner_, "metadata.name"), hash);
        auto& named = make_object_in(revision, "metadata");
        named["name"] = name;
        make_object_in(named, "labels")[hash_label_] = hash;
        auto made = client_.create(revision_kind(), revision);
        if (!made && made.error().reason == "AlreadyExists") {
            ++collisions;
            continue;
        }
        all_.push_back(TRY(std::move(made)));
        return &all_.back();
    }
    return api::Status(409, "Conflict", fmt::format("no name is free for revision {} of {}", number, name_key(owner_)));
}

Outcome<void> Revisions::forget(std::size_t limit, const std::set<std::string, std::less<>>& used) {
    std::vector<const json::object*> idle;
    for (const auto& one : all_)
        if (!used.contains(text_in(one, "metadata.name"))) idle.push_back(&one);
    for (std::size_t index = 0; index + limit < idle.size(); ++index)
        TRY(client_.remove(revision_kind(), *idle[index]));
    return {};
}

}  // namespace pila::cluster::controllers
