// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/stateful_look.h"

#include <algorithm>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::size_t max_burst = 500;  // pods made at one look; the rest follows at the next

}  // namespace

const schema::Kind& stateful_set_kind() {
    static const auto& kind = kind_of("apps", "v1", "statefulsets");
    return kind;
}

std::optional<std::int64_t> ordinal_of(const json::object& set, std::string_view pod_name) {
    auto dash = pod_name.rfind('-');
    if (dash == std::string_view::npos || pod_name.substr(0, dash) != text_in(set, "metadata.name"))
        return std::nullopt;
    auto ordinal = parse_int(pod_name.substr(dash + 1));
    if (!ordinal || *ordinal < 0 || *ordinal > INT32_MAX) return std::nullopt;
    return *ordinal;
}

StatefulLook::StatefulLook(Tools tools, json::object set, std::vector<json::object> pods)
    : tools_(tools), set_(std::move(set)) {
    if (const auto* status = object_in(set_, "status")) status_ = *status;
    sort_pods(std::move(pods));
}

std::string StatefulLook::name() const { return std::string(text_in(set_, "metadata.name")); }
std::int64_t StatefulLook::start() const { return number_in(set_, "spec.ordinals.start"); }
std::int64_t StatefulLook::wanted() const { return number_in(set_, "spec.replicas", 1); }
bool StatefulLook::is_ordered() const { return text_in(set_, "spec.podManagementPolicy") != "Parallel"; }
bool StatefulLook::is_rolling() const { return text_in(set_, "spec.updateStrategy.type") != "OnDelete"; }
std::int64_t StatefulLook::partition() const { return number_in(set_, "spec.updateStrategy.rollingUpdate.partition"); }

void StatefulLook::look_again(std::int64_t seconds) { again_ = again_ ? std::min(*again_, seconds) : seconds; }

bool StatefulLook::is_available(const Pod& pod) {
    auto min_ready = number_in(set_, "spec.minReadySeconds");
    if (!is_running(pod)) return false;
    if (pod.is_available(min_ready, tools_.now)) return true;
    look_again((pod.ready_since - tools_.now) / 1'000'000 + min_ready + 1);
    return false;
}

void StatefulLook::sort_pods(std::vector<json::object> pods) {
    for (auto& tree : pods) {
        Pod pod(std::move(tree));
        auto ordinal = ordinal_of(set_, pod.name);
        if (!ordinal) continue;
        if (is_wanted(*ordinal))
            pods_.emplace(*ordinal, std::move(pod));
        else
            condemned_.emplace(*ordinal, std::move(pod));
    }
}

Outcome<void> StatefulLook::run() {
    TRY(choose_revisions());
    Outcome<void> managed;
    if (!is_going(set_)) managed = manage();
    count();
    settle_update();
    TRY(write_status());
    TRY(forget_revisions());
    return managed;
}

Outcome<void> StatefulLook::choose_revisions() {
    auto collisions = number_in(status_, "collisionCount");
    const auto* today = TRY(tools_.revisions.of_today(collisions));
    next_ = text_in(*today, "metadata.name");
    const auto* before = tools_.revisions.find(text_in(status_, "currentRevision"));
    if (!before) before = today;
    current_ = text_in(*before, "metadata.name");
    current_template_ = Revisions::template_of(*before);
    status_["collisionCount"] = collisions;
    status_["observedGeneration"] = number_in(set_, "metadata.generation");
    status_["currentRevision"] = current_;
    status_["updateRevision"] = next_;
    return {};
}

const Pod* StatefulLook::first_unhealthy() const {
    const Pod* first = nullptr;
    for (auto at = condemned_.rbegin(); at != condemned_.rend() && !first; ++at)
        if (!is_healthy(at->second)) first = &at->second;
    // The wanted ones may well have the higher numbers: spec.ordinals.start was moved up.
    for (const auto& [ordinal, pod] : pods_) {
        if (is_healthy(pod)) continue;
        if (!first || ordinal < *ordinal_of(set_, first->name)) first = &pod;
        break;
    }
    return first;
}

// One pod after the other if the set is ordered: each has to be there, and well, before the next.
Outcome<void> StatefulLook::manage() {
    for (auto ordinal = start(); ordinal < start() + wanted(); ++ordinal) {
        bool stops = TRY(look_after(ordinal));
        if (stops && is_ordered()) return {};
        if (missing_.size() >= max_burst) break;
    }
    TRY(make_pods(missing_));
    for (const auto& [ordinal, pod] : condemned_) TRY(mend_claims(pod, ordinal));
    const auto* unhealthy = first_unhealthy();
    for (const auto& [ordinal, pod] : condemned_) {
        bool stops = TRY(let_go(pod, unhealthy));
        if (stops && is_ordered()) return {};
    }
    return is_rolling() ? update() : Outcome<void>();
}

Outcome<StatefulLook::Stops> StatefulLook::look_after(std::int64_t ordinal) {
    auto found = pods_.find(ordinal);
    if (found == pods_.end()) {
        bool stale = TRY(has_stale_claim(ordinal));
        if (stale) look_again(1);
        if (!stale && is_ordered()) TRY(make_pods({ordinal}));
        if (!stale && !is_ordered()) missing_.push_back(ordinal);
        return true;
    }
    auto& pod = found->second;
    if (pod.phase == Pod::Phase::Over) {
        if (!pod.is_going) TRY(remove_pod(pod));
        return true;  // another comes once it is gone
    }
    if (pod.phase == Pod::Phase::Pending && !pod.is_going) TRY(make_claims(ordinal));
    if (is_ordered() && (pod.is_going || !is_available(pod))) return true;
    TRY(mend_pod(pod));
    TRY(mend_claims(pod, ordinal));
    return false;
}

// Pods go from the last to the first, and none while another one ails, unless it is that one itself.
Outcome<StatefulLook::Stops> StatefulLook::let_go(const Pod& pod, const Pod* first_unhealthy) {
    if (pod.is_going) return true;
    if (is_ordered() && !is_available(pod) && &pod != first_unhealthy) return true;
    TRY(remove_pod(pod));
    return true;
}

// The last pod that is of yesterday goes, if all behind it are well; with maxUnavailable, as many as it allows.
Outcome<void> StatefulLook::update() {
    const auto* limit = value_in(set_, "spec.updateStrategy.rollingUpdate.maxUnavailable");
    auto most = limit ? std::max<std::int64_t>(scaled(limit, wanted(), true), 1) : 1;
    auto may_go = most;
    if (most > 1) {
        may_go -= wanted() - std::ssize(pods_);
        for (const auto& [ordinal, pod] : pods_) may_go -= !is_healthy(pod);
    }
    auto first = start() + partition();
    for (auto at = pods_.rbegin(); at != pods_.rend() && at->first >= first && may_go > 0; ++at) {
        const auto& pod = at->second;
        const auto* labels = object_in(pod.tree, "metadata.labels");
        bool is_of_today = labels && text_in(*labels, revision_label) == next_;
        if (!is_of_today && !pod.is_going) {
            TRY(remove_pod(pod));
            --may_go;
        } else if (most == 1 && !is_healthy(pod)) {
            return {};
        }
    }
    return {};
}

void StatefulLook::count() {
    std::int64_t there = 0, ready = 0, available = 0, current = 0, updated = 0;
    auto take = [&](const Pod& pod) {
        ++there;
        ready += is_running(pod);
        available += is_available(pod);
        if (pod.is_going) return;
        const auto* labels = object_in(pod.tree, "metadata.labels");
        auto revision = labels ? text_in(*labels, revision_label) : std::string_view();
        current += revision == current_;
        updated += revision == next_;
    };
    for (const auto& [ordinal, pod] : pods_) take(pod);
    for (const auto& [ordinal, pod] : condemned_) take(pod);
    auto put = [&](std::string_view member, std::int64_t number) {
        if (number != 0)
            status_[member] = number;
        else
            status_.erase(member);
    };
    status_["replicas"] = there;
    status_["availableReplicas"] = available;
    put("readyReplicas", ready);
    put("currentReplicas", current);
    put("updatedReplicas", updated);
}

// Tomorrow has become today once every pod is of it.
void StatefulLook::settle_update() {
    if (!is_rolling()) return;
    for (auto member : {"updatedReplicas", "readyReplicas", "replicas"})
        if (number_in(status_, member) != wanted()) return;
    status_["currentRevision"] = next_;
    if (wanted() != 0) status_["currentReplicas"] = wanted();
}

Outcome<void> StatefulLook::write_status() {
    const auto* before = object_in(set_, "status");
    if (before && *before == status_) return {};
    auto changed = set_;
    changed["status"] = status_;
    auto written = tools_.client.update_status(stateful_set_kind(), std::move(changed));
    if (!written && !is_not_found(written.error())) return written.take_error();
    return {};
}

Outcome<void> StatefulLook::forget_revisions() {
    std::set<std::string, std::less<>> used{current_, next_};
    auto note = [&](const Pod& pod) {
        if (const auto* labels = object_in(pod.tree, "metadata.labels")) used.emplace(text_in(*labels, revision_label));
    };
    for (const auto& [ordinal, pod] : pods_) note(pod);
    for (const auto& [ordinal, pod] : condemned_) note(pod);
    auto limit = number_in(set_, "spec.revisionHistoryLimit", 10);
    return tools_.revisions.forget(static_cast<std::size_t>(std::max<std::int64_t>(limit, 0)), used);
}

}  // namespace pila::cluster::controllers
