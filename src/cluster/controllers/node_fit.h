// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether a pod may be on a node, as far as names, labels and taints say (k8s.io/component-helpers/scheduling).

#include <string>

#include <boost/json/fwd.hpp>

namespace pila::cluster::controllers {

namespace json = boost::json;

// spec.nodeName, spec.nodeSelector and what spec.affinity.nodeAffinity requires.
bool fits_node(const json::object& pod_spec, const json::object& node);
// A list of terms of a node selector: one of them has to fit.
bool fits_terms(const json::array& terms, const json::object& node);
// Of the taints that keep pods away (NoSchedule, NoExecute), or only of those that drive them off (NoExecute).
enum class Taints : char { Keeping, Driving };
bool tolerates(const json::object& pod_spec, const json::object& node, Taints taints);

// What pods of daemon sets bear: nodes that are not ready, short of something, closed to others.
void tolerate_as_daemon(json::object& pod_spec);
// The scheduler will have no choice; whatever else the pod required is left away, as it was looked at before.
void pin_to_node(json::object& pod_spec, const std::string& node);
// Where a pod is, or is pinned to; "": nowhere.
std::string node_of(const json::object& pod);

}  // namespace pila::cluster::controllers
