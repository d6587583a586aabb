// SPDX-License-Identifier: Apache-2.0
// How many pods each replica set of a deployment is to have.
#include <algorithm>
#include <cmath>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/rollout.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view rolling = "spec.strategy.rollingUpdate.";

}  // namespace

std::int64_t Rollout::surge() const {
    if (!is_rolling()) return 0;
    return scaled(value_in(deployment_, std::string(rolling) + "maxSurge"), wanted(), true);
}

// Both may be rounded to nothing, but then nothing could ever change.
std::int64_t Rollout::unavailable() const {
    if (!is_rolling() || wanted() == 0) return 0;
    auto count = scaled(value_in(deployment_, std::string(rolling) + "maxUnavailable"), wanted(), false);
    if (count == 0 && surge() == 0) count = 1;
    return std::min(count, wanted());
}

// Of today's set, which has `current`: what the others leave of the surge.
std::int64_t Rollout::size_of_new(std::int64_t current) const {
    if (!is_rolling()) return wanted();
    auto room = wanted() + surge() - sum_wanted(old_) - current;
    if (room <= 0) return current;
    return current + std::min(room, wanted() - current);
}

bool Rollout::annotate_counts(json::object& set) const {
    bool changes = false;
    auto put = [&](std::string_view name, std::int64_t number) {
        auto text = std::to_string(number);
        if (annotation_of(set, name) == text) return;
        make_object_in(set, "metadata.annotations")[name] = text;
        changes = true;
    };
    put(deployment::desired_replicas, wanted());
    put(deployment::max_replicas, wanted() + surge());
    return changes;
}

Outcome<void> Rollout::scale_to(Replicas& set, std::int64_t count) {
    auto tree = set.tree;
    auto before = set.wanted();
    bool changes = annotate_counts(tree);
    if (before != count) {
        make_object_in(tree, "spec")["replicas"] = count;
        changes = true;
    }
    if (!changes) return {};
    set.tree = TRY(tools_.client.update(deployment::set_kind(), std::move(tree)));
    if (before != count)
        tools_.events.normal(deployment_, "ScalingReplicaSet",
                             fmt::format("Scaled {} replica set {} from {} to {}", before < count ? "up" : "down",
                                         set.name(), before, count));
    return {};
}

// The number of replicas changed, which is no rollout: sets keep their shares.
bool Rollout::is_being_scaled() const {
    for (const auto* set : all()) {
        if (set->wanted() == 0) continue;
        auto desired = parse_int(annotation_of(set->tree, deployment::desired_replicas));
        if (desired && *desired != wanted()) return true;
    }
    return false;
}

Outcome<void> Rollout::scale() {
    Sets active;
    for (auto* set : all())
        if (set->wanted() > 0) active.push_back(set);
    if (active.size() <= 1) {
        auto* only = !active.empty() ? active[0] : new_ ? new_ : !old_.empty() ? old_.back() : nullptr;
        return only ? scale_to(*only, wanted()) : Outcome<void>();
    }
    bool is_full = new_ && new_->wanted() == wanted() && new_->available() == wanted() &&
                   parse_int(annotation_of(new_->tree, deployment::desired_replicas)) == wanted();
    if (is_full) {
        for (auto* set : old_)
            if (set->wanted() > 0) TRY(scale_to(*set, 0));
        return {};
    }
    return is_rolling() ? scale_in_proportion() : Outcome<void>();
}

std::int64_t Rollout::fraction_of(const Replicas& set) const {
    if (wanted() == 0) return -set.wanted();
    auto before = parse_int(annotation_of(set.tree, deployment::max_replicas)).value_or(0);
    if (before == 0) before = number_in(deployment_, "status.replicas");
    if (before == 0) return 0;
    auto now = static_cast<double>(set.wanted()) * static_cast<double>(wanted() + surge());
    return std::lround(now / static_cast<double>(before)) - set.wanted();
}

// Each active set gets of what is added or taken away according to its size; the largest gets what rounding leaves.
Outcome<void> Rollout::scale_in_proportion() {
    Sets active;
    for (auto* set : all())
        if (set->wanted() > 0) active.push_back(set);
    auto allowed = wanted() > 0 ? wanted() + surge() : 0;
    auto to_add = allowed - sum_wanted(active);
    std::stable_sort(active.begin(), active.end(), [&](const Replicas* left, const Replicas* right) {
        if (left->wanted() != right->wanted()) return left->wanted() > right->wanted();
        return to_add > 0 ? left->created() > right->created() : left->created() < right->created();
    });
    std::vector<std::int64_t> sizes;
    std::int64_t added = 0;
    for (const auto* set : active) {
        std::int64_t share = 0;
        if (to_add != 0 && to_add != added)
            share =
                to_add > 0 ? std::min(fraction_of(*set), to_add - added) : std::max(fraction_of(*set), to_add - added);
        sizes.push_back(set->wanted() + share);
        added += share;
    }
    for (std::size_t index = 0; index < active.size(); ++index) {
        if (index == 0 && to_add != 0) sizes[0] = std::max<std::int64_t>(sizes[0] + to_add - added, 0);
        TRY(scale_to(*active[index], sizes[index]));
    }
    return {};
}

}  // namespace pila::cluster::controllers
