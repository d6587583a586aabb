// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who belongs to whom: a controller's object controls what carries its reference. What its selector matches and nobody
// controls is adopted; what it no longer matches is let go (k8s.io/kubernetes/pkg/controller, ControllerRefManager).

#include <vector>

#include "cluster/api/selectors.h"
#include "cluster/controllers/controller.h"

namespace pila::cluster::controllers {

// Prepares an informer for claim().
void index_for_claims(Informer& informer);

// The objects of `informer` that belong to `owner` once orphans were adopted and strangers let go, going or not.
// An owner that is itself going adopts nothing; `may_adopt`, if there is one, says what else is not adopted.
Outcome<std::vector<json::object>> claim(Informer& informer, const Client& client, const json::object& owner,
                                         const schema::Kind& owner_kind, const api::LabelSelector& selector,
                                         const std::function<bool(const json::object&)>& may_adopt = {});

// What changes of `owned` mean to those who own objects of that kind: `tell` is called with "NAMESPACE/NAME" of the
// controller before and after, or, of an orphan, of all of `owners` in its namespace whose selector matches.
void follow_owned(Informers& informers, state::State& state, const schema::Kind& owned, const schema::Kind& owners,
                  std::function<void(const std::string& key)> tell);

// spec.selector, which is a plain map in ReplicationController and Service.
Result<api::LabelSelector> selector_of(const json::object& object);

}  // namespace pila::cluster::controllers
