// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/rollout.h"

#include <algorithm>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/pods.h"

namespace pila::cluster::controllers {

namespace deployment {

const schema::Kind& kind() {
    static const auto& kind = kind_of("apps", "v1", "deployments");
    return kind;
}

const schema::Kind& set_kind() {
    static const auto& kind = kind_of("apps", "v1", "replicasets");
    return kind;
}

}  // namespace deployment

std::string Replicas::name() const { return std::string(text_in(tree, "metadata.name")); }
std::int64_t Replicas::wanted() const { return number_in(tree, "spec.replicas"); }
std::int64_t Replicas::there() const { return number_in(tree, "status.replicas"); }
std::int64_t Replicas::available() const { return number_in(tree, "status.availableReplicas"); }
std::int64_t Replicas::revision() const { return parse_int(annotation_of(tree, deployment::revision)).value_or(0); }
std::int64_t Replicas::created() const { return time_in(tree, "metadata.creationTimestamp"); }

Rollout::Rollout(Tools tools, json::object deployment, std::vector<json::object> sets)
    : tools_(tools), deployment_(std::move(deployment)) {
    if (const auto* status = object_in(deployment_, "status")) status_ = *status;
    for (auto& set : sets) sets_.push_back({std::move(set)});
    std::sort(sets_.begin(), sets_.end(), [](const Replicas& left, const Replicas& right) {
        return std::pair(left.created(), left.name()) < std::pair(right.created(), right.name());
    });
}

std::string Rollout::name() const { return std::string(text_in(deployment_, "metadata.name")); }
std::int64_t Rollout::wanted() const { return number_in(deployment_, "spec.replicas", 1); }
bool Rollout::is_rolling() const { return text_in(deployment_, "spec.strategy.type") != "Recreate"; }
bool Rollout::is_paused() const { return flag_in(deployment_, "spec.paused"); }

Rollout::Sets Rollout::all() const {
    auto sets = old_;
    if (new_) sets.push_back(new_);
    return sets;
}

std::int64_t Rollout::sum_wanted(const Sets& sets) {
    std::int64_t sum = 0;
    for (const auto* set : sets) sum += set->wanted();
    return sum;
}

Outcome<void> Rollout::run() {
    if (is_going(deployment_)) {
        TRY(find_new(false));
        count();
        return write_status();
    }
    note_pause();
    TRY(find_new(false));
    if (is_paused() || is_being_scaled()) {
        TRY(scale());
        if (is_paused()) TRY(forget_oldest());
        count();
        return write_status();
    }
    return is_rolling() ? roll() : recreate();
}

Outcome<void> Rollout::roll() {
    TRY(find_new(true));
    bool changed = TRY(grow_new());
    if (!changed) changed = TRY(shrink_old());
    if (!changed && is_complete(status_)) TRY(forget_oldest());
    return finish();
}

Outcome<void> Rollout::recreate() {
    bool shrunk = false;
    for (auto* set : old_) {
        if (set->wanted() == 0) continue;
        TRY(scale_to(*set, 0));
        shrunk = true;
    }
    if (shrunk || has_old_pods()) return finish();
    TRY(find_new(true));
    TRY(grow_new());
    if (is_complete(status_)) TRY(forget_oldest());
    return finish();
}

// Pods that are on their way out are still there.
bool Rollout::has_old_pods() const {
    for (const auto* set : old_) {
        if (set->there() > 0) return true;
        for (const auto& object : tools_.pods.by("controller", text_in(set->tree, "metadata.uid"))) {
            auto tree = Client::read(*object);
            if (tree && Pod(tree.take()).phase != Pod::Phase::Over) return true;
        }
    }
    return false;
}

Outcome<bool> Rollout::grow_new() {
    if (!new_ || new_->wanted() == wanted()) return false;
    auto count = new_->wanted() > wanted() ? wanted() : size_of_new(new_->wanted());
    bool changes = count != new_->wanted();
    TRY(scale_to(*new_, count));
    return changes;
}

Outcome<bool> Rollout::shrink_old() {
    if (sum_wanted(old_) == 0 || !new_) return false;
    auto least = wanted() - unavailable();
    auto not_yet = new_->wanted() - new_->available();
    auto most = sum_wanted(all()) - least - not_yet;
    if (most <= 0) return false;
    auto before = sum_wanted(old_);
    TRY(drop_unhealthy(most));
    TRY(drop_while_available());
    return sum_wanted(old_) != before;
}

// Pods that serve nobody go first: they keep the new ones waiting.
Outcome<std::int64_t> Rollout::drop_unhealthy(std::int64_t most) {
    std::int64_t dropped = 0;
    for (auto* set : old_) {
        if (dropped >= most) break;
        auto unhealthy = set->wanted() - set->available();
        if (set->wanted() == 0 || unhealthy <= 0) continue;
        auto count = std::min(most - dropped, unhealthy);
        TRY(scale_to(*set, set->wanted() - count));
        dropped += count;
    }
    return dropped;
}

Outcome<void> Rollout::drop_while_available() {
    std::int64_t available = 0;
    for (const auto* set : all()) available += set->available();
    auto most = available - (wanted() - unavailable());
    for (auto* set : old_) {
        if (most <= 0) break;
        auto count = std::min(set->wanted(), most);
        if (count == 0) continue;
        TRY(scale_to(*set, set->wanted() - count));
        most -= count;
    }
    return {};
}

}  // namespace pila::cluster::controllers
