// SPDX-License-Identifier: Apache-2.0
#pragma once
// The templates that a StatefulSet or a DaemonSet has had, as ControllerRevisions: what `kubectl rollout history` lists
// and `undo` goes back to (k8s.io/kubernetes/pkg/controller/history).

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cluster/api/selectors.h"
#include "cluster/controllers/controller.h"

namespace pila::cluster::controllers {

const schema::Kind& revision_kind();
inline constexpr std::string_view revision_label = "controller-revision-hash";  // of pods

class Revisions {
public:
    // Those of `owner`. `hash_label`: under which a revision has the hash of its template.
    static Outcome<Revisions> of(Informer& informer, const Client& client, const json::object& owner,
                                 const schema::Kind& owner_kind, const api::LabelSelector& selector,
                                 std::string_view hash_label);

    // The revision of today's template, which is the newest from now on: made, or brought back. `collisions` counts
    // the names that others had.
    Outcome<const json::object*> of_today(std::int64_t& collisions);
    const json::object* find(std::string_view name) const;  // null: none
    std::string_view hash_of(const json::object& revision) const;
    // The oldest go until `limit` are left, not counting those whose names are in `used`.
    Outcome<void> forget(std::size_t limit, const std::set<std::string, std::less<>>& used);

    static json::object template_of(const json::object& revision);

private:
    Revisions(const Client& client, const json::object& owner, const schema::Kind& owner_kind, std::string_view label)
        : client_(client), owner_(owner), owner_kind_(owner_kind), hash_label_(label) {}
    Outcome<const json::object*> make(const json::object& wished, std::int64_t number, std::int64_t& collisions);

    const Client& client_;
    const json::object& owner_;
    const schema::Kind& owner_kind_;
    const std::string_view hash_label_;
    std::vector<json::object> all_;  // the oldest first
};

}  // namespace pila::cluster::controllers
