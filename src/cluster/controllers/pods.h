// SPDX-License-Identifier: Apache-2.0
#pragma once
// What controllers ask about pods, and how they make them from a template.

#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "cluster/controllers/client.h"
#include "cluster/schema/schema.h"

namespace pila::cluster::controllers {

const schema::Kind& pod_kind();

// A pod, read once. What a controller has to know of each of its thousand pods at every look.
struct Pod {
    explicit Pod(json::object object);

    json::object tree;
    std::string name, node;
    enum class Phase : std::uint8_t { Pending, Unknown, Running, Over } phase;
    bool is_ready = false, is_going = false;
    std::int64_t ready_since = 0, created = 0;  // microseconds since 1970
    std::int64_t deletion_cost = 0, restarts = 0;

    // Neither over nor on its way out: it counts.
    bool is_active() const { return phase != Phase::Over && !is_going; }
    bool is_available(std::int64_t min_ready_seconds, std::int64_t now) const;
};

// A pod of this template: `owner` controls it. Without a name, which generateName gives; metadata.namespace is there.
json::object pod_of_template(const json::object& pod_template, const json::object& owner, const schema::Kind& kind);

// Whether the first of two pods is to go before the other, where `left_rank` and `right_rank` say how many of the same
// kin are on their nodes (k8s.io/kubernetes/pkg/controller, ActivePodsWithRanks): not yet on a node, then not running,
// not ready, cheaper, doubled up, ready for a shorter time, restarted more often, younger.
bool goes_first(const Pod& left, std::size_t left_rank, const Pod& right, std::size_t right_rank, std::int64_t now);

}  // namespace pila::cluster::controllers
