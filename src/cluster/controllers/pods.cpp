// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/pods.h"

#include <algorithm>
#include <bit>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

Pod::Phase phase_of(const json::object& pod) {
    auto phase = text_in(pod, "status.phase");
    if (phase == "Running") return Pod::Phase::Running;
    if (phase == "Succeeded" || phase == "Failed") return Pod::Phase::Over;
    return phase == "Unknown" ? Pod::Phase::Unknown : Pod::Phase::Pending;
}

// Ages are compared by their order of magnitude, so that the pods of one rollout do not all go together.
int magnitude(std::int64_t since, std::int64_t now) {
    return std::bit_width(static_cast<std::uint64_t>(std::max<std::int64_t>(now - since, 0)));
}

}  // namespace

const schema::Kind& pod_kind() {
    static const auto& kind = kind_of("", "v1", "pods");
    return kind;
}

Pod::Pod(json::object object) : tree(std::move(object)), phase(phase_of(tree)) {
    name = text_in(tree, "metadata.name");
    node = text_in(tree, "spec.nodeName");
    is_going = controllers::is_going(tree);
    created = time_in(tree, "metadata.creationTimestamp");
    deletion_cost = parse_int(annotation_of(tree, "controller.kubernetes.io/pod-deletion-cost")).value_or(0);
    const auto* status = object_in(tree, "status");
    if (!status) return;
    if (const auto* ready = find_condition(*status, "Ready"); is_true(ready)) {
        is_ready = true;
        ready_since = time_in(*ready, "lastTransitionTime");
    }
    if (const auto* containers = list_in(*status, "containerStatuses"))
        for (const auto& one : *containers)
            if (one.is_object()) restarts = std::max(restarts, number_in(one.get_object(), "restartCount"));
}

bool Pod::is_available(std::int64_t min_ready_seconds, std::int64_t now) const {
    if (!is_ready) return false;
    return min_ready_seconds == 0 || (ready_since != 0 && ready_since + min_ready_seconds * 1'000'000 <= now);
}

json::object pod_of_template(const json::object& pod_template, const json::object& owner, const schema::Kind& kind) {
    json::object pod;
    auto& metadata = make_object_in(pod, "metadata");
    for (auto member : {"labels", "annotations", "finalizers"})
        if (const auto* value = value_in(pod_template, std::string("metadata.") + member)) metadata[member] = *value;
    auto name = std::string(text_in(owner, "metadata.name"));
    metadata["generateName"] = name + "-";
    metadata["namespace"] = text_in(owner, "metadata.namespace");
    metadata["ownerReferences"] = json::array{json::value(reference_to(owner, kind))};
    if (const auto* spec = value_in(pod_template, "spec")) pod["spec"] = *spec;
    return pod;
}

bool goes_first(const Pod& left, std::size_t left_rank, const Pod& right, std::size_t right_rank, std::int64_t now) {
    if (left.node.empty() != right.node.empty()) return left.node.empty();
    if (left.phase != right.phase) return left.phase < right.phase;
    if (left.is_ready != right.is_ready) return !left.is_ready;
    if (left.deletion_cost != right.deletion_cost) return left.deletion_cost < right.deletion_cost;
    if (left_rank != right_rank) return left_rank > right_rank;
    if (left.is_ready && left.ready_since != right.ready_since) {
        if (left.ready_since == 0 || right.ready_since == 0) return left.ready_since == 0;
        auto left_age = magnitude(left.ready_since, now), right_age = magnitude(right.ready_since, now);
        if (left_age != right_age) return left_age < right_age;
    }
    if (left.restarts != right.restarts) return left.restarts > right.restarts;
    auto left_age = magnitude(left.created, now), right_age = magnitude(right.created, now);
    if (left_age != right_age) return left_age < right_age;
    return text_in(left.tree, "metadata.uid") < text_in(right.tree, "metadata.uid");  // by chance, but always the same
}

}  // namespace pila::cluster::controllers
