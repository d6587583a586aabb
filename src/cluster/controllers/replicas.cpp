// SPDX-License-Identifier: Apache-2.0
// Source: what kube-controller-manager does in pkg/controller/replicaset: order of deletion, adoption, status, events.
#include "cluster/controllers/replicas.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/mutex.h"
#include "cluster/codec/codec.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/burst.h"
#include "cluster/controllers/claims.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::int64_t max_burst = 500;  // pods made or deleted at one look; the rest follows at the next

bool is_in_ending_namespace(const api::Status& status) {
    return std::any_of(status.causes.begin(), status.causes.end(),
                       [](const auto& cause) { return cause.reason == "NamespaceTerminating"; });
}

bool has_labels_of(const json::object& pod, const json::object* labels) {
    if (!labels) return true;
    const auto* own = object_in(pod, "metadata.labels");
    for (const auto& [name, value] : *labels) {
        const auto* found = own ? own->if_contains(name) : nullptr;
        if (!found || *found != value) return false;
    }
    return true;
}

}  // namespace

ReplicaSets::ReplicaSets(const Means& means, std::string name, const schema::Kind& kind)
    : Controller(means, std::move(name)),
      kind_(kind),
      pods_(means_.informers.of(pod_kind())),
      sets_(means_.informers.of(kind)) {
    sets_.add_index(controller_index());
    follow(kind_);
    follow_owned(means_.informers, means_.registry.state(), pod_kind(), kind_,
                 [this](const std::string& key) { enqueue(key); });
}

Outcome<void> ReplicaSets::sync(const std::string& key) {
    auto name = name_of(key);
    auto got = client_.get(kind_, name.space, name.name);
    if (!got && is_not_found(got.error())) return {};
    auto set = TRY(std::move(got));
    auto selector = selector_of(set);
    if (!selector || selector->empty()) return {};  // it would take every pod; validation lets none pass
    std::vector<Pod> active;
    auto claimed = TRY(claim(pods_, client_, set, kind_, *selector));
    for (auto& tree : claimed) {
        Pod pod(std::move(tree));
        if (pod.is_active()) active.push_back(std::move(pod));
    }
    std::optional<Failure> failure;
    Outcome<void> managed;
    if (!is_going(set)) managed = manage(set, active, failure);
    TRY(write_status(set, active, failure));
    if (!managed) return managed;

    auto min_ready = number_in(set, "spec.minReadySeconds");
    std::int64_t next = 0;  // when the next pod becomes available
    for (const auto& pod : active) {
        if (!pod.is_ready || pod.ready_since == 0 || pod.is_available(min_ready, means_.now())) continue;
        auto at = pod.ready_since + min_ready * 1'000'000;
        next = next == 0 ? at : std::min(next, at);
    }
    if (next != 0) enqueue_after(key, (next - means_.now()) / 1'000'000 + 1);
    return {};
}

Outcome<void> ReplicaSets::manage(const json::object& set, const std::vector<Pod>& active,
                                  std::optional<Failure>& failure) {
    auto wanted = number_in(set, "spec.replicas", 1);
    auto missing = wanted - static_cast<std::int64_t>(active.size());
    if (missing > 0) return add_pods(set, std::min(missing, max_burst), failure);
    if (missing < 0) return remove_pods(set, active, static_cast<std::size_t>(std::min(-missing, max_burst)), failure);
    return {};
}

Outcome<void> ReplicaSets::add_pods(const json::object& set, std::int64_t count, std::optional<Failure>& failure) {
    const auto* pod_template = object_in(set, "spec.template");
    if (!pod_template) return {};
    const auto pod = pod_of_template(*pod_template, set, kind_);
    Mutex mutex;
    std::vector<std::string> told;
    auto made = burst(static_cast<std::size_t>(count), [&](std::size_t) -> Outcome<void> {
        auto one = TRY(client_.create(pod_kind(), pod));
        Lock lock(mutex);
        told.push_back(fmt::format("Created pod: {}", text_in(one, "metadata.name")));
        return {};
    });
    events_.normal(set, "SuccessfulCreate", told);
    if (made || is_in_ending_namespace(made.error())) return {};
    events_.warning(set, "FailedCreate", "Error creating: " + made.error().message);
    failure = Failure{"FailedCreate", made.error().message};
    return made;
}

std::map<std::string, std::size_t> ReplicaSets::kin_by_node(const json::object& set,
                                                            const std::vector<Pod>& active) const {
    std::map<std::string, std::size_t> count;
    auto owner = controller_of(set);
    if (!owner) {
        for (const auto& pod : active) ++count[pod.node];
        return count;
    }
    for (const auto& kin : sets_.by("controller", owner->uid)) {
        auto tree = Client::read(*kin);
        if (!tree) continue;
        for (const auto& object : pods_.by("controller", text_in(*tree, "metadata.uid"))) {
            auto read = Client::read(*object);
            if (!read) continue;
            Pod pod(read.take());
            if (pod.is_active()) ++count[pod.node];
        }
    }
    return count;
}

Outcome<void> ReplicaSets::remove_pods(const json::object& set, const std::vector<Pod>& active, std::size_t count,
                                       std::optional<Failure>& failure) {
    auto kin = kin_by_node(set, active);
    std::vector<const Pod*> order;
    for (const auto& pod : active) order.push_back(&pod);
    auto now = means_.now();
    std::sort(order.begin(), order.end(), [&](const Pod* left, const Pod* right) {
        return goes_first(*left, kin[left->node], *right, kin[right->node], now);
    });
    order.resize(std::min(count, order.size()));
    Mutex mutex;
    std::vector<std::string> told;
    auto removed = burst(order.size(), [&](std::size_t index) -> Outcome<void> {
        auto gone = client_.remove(pod_kind(), order[index]->tree);
        if (!gone && !is_conflict(gone.error())) return gone;
        if (!gone) return {};  // another pod by that name: this one is gone
        Lock lock(mutex);
        told.push_back("Deleted pod: " + order[index]->name);
        return {};
    });
    events_.normal(set, "SuccessfulDelete", told);
    if (removed) return {};
    events_.warning(set, "FailedDelete", "Error deleting: " + removed.error().message);
    failure = Failure{"FailedDelete", removed.error().message};
    return removed;
}

Outcome<void> ReplicaSets::write_status(const json::object& set, const std::vector<Pod>& active,
                                        const std::optional<Failure>& failure) {
    auto min_ready = number_in(set, "spec.minReadySeconds");
    const auto* labels = object_in(set, "spec.template.metadata.labels");
    std::int64_t labeled = 0, ready = 0, available = 0;
    for (const auto& pod : active) {
        labeled += has_labels_of(pod.tree, labels);
        ready += pod.is_ready;
        available += pod.is_available(min_ready, means_.now());
    }
    json::object status;
    if (const auto* known = object_in(set, "status")) status = *known;
    auto before = status;
    status["replicas"] = static_cast<std::int64_t>(active.size());
    auto put = [&](std::string_view member, std::int64_t number) {
        if (number != 0)
            status[member] = number;
        else
            status.erase(member);
    };
    put("fullyLabeledReplicas", labeled);
    put("readyReplicas", ready);
    put("availableReplicas", available);
    put("observedGeneration", number_in(set, "metadata.generation"));
    if (!failure) {
        remove_condition(status, "ReplicaFailure");
        if (const auto* rest = list_in(status, "conditions"); rest && rest->empty()) status.erase("conditions");
    } else if (!find_condition(status, "ReplicaFailure")) {
        auto& list = status["conditions"];
        if (!list.is_array()) list.emplace_array();
        list.get_array().push_back(json::object{{"type", "ReplicaFailure"},
                                                {"status", "True"},
                                                {"lastTransitionTime", codec::format_time(means_.now() / 1'000'000)},
                                                {"reason", failure->reason},
                                                {"message", failure->message}});
    }
    if (status == before) return {};
    auto changed = set;
    changed["status"] = std::move(status);
    auto written = client_.update_status(kind_, std::move(changed));
    if (!written && is_not_found(written.error())) return {};
    if (!written) return written.take_error();
    return {};
}

std::unique_ptr<Controller> make_replica_sets(const Means& means) {
    return std::make_unique<ReplicaSets>(means, "replicaset-controller", kind_of("apps", "v1", "replicasets"));
}

std::unique_ptr<Controller> make_replication_controllers(const Means& means) {
    return std::make_unique<ReplicaSets>(means, "replication-controller", kind_of("", "v1", "replicationcontrollers"));
}

}  // namespace pila::cluster::controllers
