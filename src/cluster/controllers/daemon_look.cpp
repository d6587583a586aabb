// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/daemon_look.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/mutex.h"
#include "cluster/controllers/burst.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/node_fit.h"

namespace pila::cluster::controllers {

namespace {

constexpr int longest_wait = 15 * 60;  // seconds before a failed pod is exchanged again

}  // namespace

const schema::Kind& daemon_set_kind() {
    static const auto& kind = kind_of("apps", "v1", "daemonsets");
    return kind;
}

const schema::Kind& node_kind() {
    static const auto& kind = kind_of("", "v1", "nodes");
    return kind;
}

DaemonLook::DaemonLook(Tools tools, json::object set, std::vector<json::object> pods,
                       const std::vector<json::object>& nodes)
    : tools_(tools), set_(std::move(set)) {
    json::object spec;
    if (const auto* given = object_in(set_, "spec.template.spec")) spec = *given;
    tolerate_as_daemon(spec);
    for (const auto& node : nodes) {
        auto& place = places_[std::string(text_in(node, "metadata.name"))];
        if (!fits_node(spec, node)) continue;
        place.should_run = tolerates(spec, node, Taints::Keeping);
        place.may_stay = place.should_run || tolerates(spec, node, Taints::Driving);
    }
    for (auto& tree : pods) {
        Pod pod(std::move(tree));
        auto found = places_.find(node_of(pod.tree));
        auto& list = found == places_.end() ? lost_ : found->second.pods;
        list.push_back(std::move(pod));
    }
    // Those on their node before those that wait, then the oldest.
    for (auto& [node, place] : places_)
        std::sort(place.pods.begin(), place.pods.end(), [](const Pod& left, const Pod& right) {
            return std::tuple(left.node.empty(), left.created, left.name) <
                   std::tuple(right.node.empty(), right.created, right.name);
        });
}

void DaemonLook::look_again(std::int64_t seconds) {
    seconds = std::max<std::int64_t>(seconds, 1);
    again_ = again_ ? std::min(*again_, seconds) : seconds;
}

bool DaemonLook::is_available(const Pod& pod) {
    auto min_ready = number_in(set_, "spec.minReadySeconds");
    if (!pod.is_ready) return false;
    if (pod.is_available(min_ready, tools_.now)) return true;
    look_again((pod.ready_since - tools_.now) / 1'000'000 + min_ready + 1);
    return false;
}

bool DaemonLook::is_of_today(const Pod& pod) const {
    const auto* labels = object_in(pod.tree, "metadata.labels");
    return labels && text_in(*labels, revision_label) == hash_;
}

std::int64_t DaemonLook::count_wished() const {
    return std::count_if(places_.begin(), places_.end(), [](const auto& one) { return one.second.should_run; });
}

std::int64_t DaemonLook::surge() const {
    return scaled(value_in(set_, "spec.updateStrategy.rollingUpdate.maxSurge"), count_wished(), true);
}

Outcome<void> DaemonLook::run() {
    TRY(choose_revision());
    Outcome<void> done;
    if (!is_going(set_)) {
        manage();
        auto any = carry_out();
        // An exchange looks at pods that are there, so it waits for the look after this one's changes.
        if (any && !*any) {
            update();
            any = carry_out();
        }
        if (!any) done = any.take_error();
    }
    TRY(write_status());
    std::set<std::string, std::less<>> used{revision_};
    for (const auto& [node, place] : places_)
        for (const auto& pod : place.pods)
            if (const auto* labels = object_in(pod.tree, "metadata.labels"))
                used.insert(fmt::format("{}-{}", text_in(set_, "metadata.name"), text_in(*labels, revision_label)));
    auto limit = number_in(set_, "spec.revisionHistoryLimit", 10);
    TRY(tools_.revisions.forget(static_cast<std::size_t>(std::max<std::int64_t>(limit, 0)), used));
    return done;
}

Outcome<void> DaemonLook::choose_revision() {
    collisions_ = number_in(set_, "status.collisionCount");
    const auto* today = TRY(tools_.revisions.of_today(collisions_));
    hash_ = tools_.revisions.hash_of(*today);
    revision_ = text_in(*today, "metadata.name");
    return {};
}

json::object DaemonLook::new_pod(const std::string& node) const {
    static const json::object none;
    const auto* given = object_in(set_, "spec.template");
    auto pod = pod_of_template(given ? *given : none, set_, daemon_set_kind());
    make_object_in(pod, "metadata.labels")[revision_label] = hash_;
    auto& spec = make_object_in(pod, "spec");
    tolerate_as_daemon(spec);
    pin_to_node(spec, node);
    return pod;
}

void DaemonLook::manage() {
    for (const auto& [node, place] : places_) manage_place(node, place);
    // Pods that run on a node which is gone are the pod collector's; those that wait for it are ours.
    for (const auto& pod : lost_)
        if (pod.node.empty() && !pod.is_going) to_remove_.push_back(&pod);
}

void DaemonLook::manage_place(const std::string& node, const Place& place) {
    if (place.should_run && place.pods.empty()) return to_make_.push_back(node);
    std::vector<const Pod*> running;
    for (const auto& pod : place.pods) {
        if (pod.is_going) continue;
        if (!place.may_stay)
            to_remove_.push_back(&pod);
        else if (pod.phase != Pod::Phase::Over)
            running.push_back(&pod);
        else if (exchange_failed(node, pod))
            to_remove_.push_back(&pod);
    }
    if (running.size() > 1) drop_surplus(running);
}

// Whether a pod that ended goes now, so that another may come.
bool DaemonLook::exchange_failed(const std::string& node, const Pod& pod) {
    auto place = fmt::format("daemon pod {}/{} on node {}", text_in(set_, "metadata.namespace"), pod.name, node);
    if (text_in(pod.tree, "status.phase") == "Succeeded") {
        tools_.events.normal(set_, "SucceededDaemonPod", "Found succeeded " + place + ", will try to delete it");
        return true;
    }
    auto& failure = tools_.failures[node];
    auto wait = failure.in_a_row == 0 ? 0 : std::min(1 << std::min(failure.in_a_row - 1, 10), longest_wait);
    auto left = failure.last / 1'000'000 + wait - tools_.now / 1'000'000;
    if (failure.in_a_row > 0 && left > 0) {
        look_again(left);
        return false;
    }
    bool is_long_ago = tools_.now - failure.last > 2'000'000LL * longest_wait;
    failure = {is_long_ago ? 1 : failure.in_a_row + 1, tools_.now};
    tools_.events.warning(set_, "FailedDaemonPod", "Found failed " + place + ", will try to kill it");
    return true;
}

// The oldest stays; while one too many is allowed, the oldest of either template, until the new one is available.
void DaemonLook::drop_surplus(const std::vector<const Pod*>& running) {
    if (surge() == 0) {
        to_remove_.insert(to_remove_.end(), running.begin() + 1, running.end());
        return;
    }
    const Pod* today = nullptr;
    const Pod* before = nullptr;
    for (const auto* pod : running) {
        auto& kept = is_of_today(*pod) ? today : before;
        if (kept)
            to_remove_.push_back(pod);
        else
            kept = pod;
    }
    if (today && before && (!before->is_ready || is_available(*today))) to_remove_.push_back(before);
}

// Whether there was anything to do.
Outcome<bool> DaemonLook::carry_out() {
    bool any = !to_make_.empty() || !to_remove_.empty();
    auto made = make_pods(std::exchange(to_make_, {}));
    auto removed = remove_pods(std::exchange(to_remove_, {}));
    if (!made) return made.take_error();
    if (!removed) return removed.take_error();
    return any;
}

Outcome<void> DaemonLook::make_pods(const std::vector<std::string>& nodes) {
    Mutex mutex;
    std::vector<std::string> told;
    auto made = burst(nodes.size(), [&](std::size_t index) -> Outcome<void> {
        auto pod = TRY(tools_.client.create(pod_kind(), new_pod(nodes[index])));
        Lock lock(mutex);
        told.push_back(fmt::format("Created pod: {}", text_in(pod, "metadata.name")));
        return {};
    });
    tools_.events.normal(set_, "SuccessfulCreate", told);
    if (made || made.error().code == 403) return {};  // 403: its namespace ends
    tools_.events.warning(set_, "FailedCreate", "Error creating: " + made.error().message);
    return made;
}

Outcome<void> DaemonLook::remove_pods(const std::vector<const Pod*>& pods) {
    Mutex mutex;
    std::vector<std::string> told;
    auto removed = burst(pods.size(), [&](std::size_t index) -> Outcome<void> {
        auto gone = tools_.client.remove(pod_kind(), pods[index]->tree);
        if (!gone && !is_conflict(gone.error())) return gone;
        if (!gone) return {};  // another pod by that name: this one is gone
        Lock lock(mutex);
        told.push_back("Deleted pod: " + pods[index]->name);
        return {};
    });
    tools_.events.normal(set_, "SuccessfulDelete", told);
    if (removed) return {};
    tools_.events.warning(set_, "FailedDelete", "Error deleting: " + removed.error().message);
    return removed;
}

}  // namespace pila::cluster::controllers
