// SPDX-License-Identifier: Apache-2.0
// Which replica set is today's, its revision, and how many of yesterday's are kept for `kubectl rollout undo`.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/rollout.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::size_t max_history = 2000;  // characters of revisions that a set once had
// Annotations of a deployment that are not its replica sets'.
constexpr std::string_view own_annotations[] = {"kubectl.kubernetes.io/last-applied-configuration",
                                                deployment::revision,
                                                deployment::revision_history,
                                                deployment::desired_replicas,
                                                deployment::max_replicas,
                                                "deprecated.deployment.rollback.to"};

json::object template_of(const json::object& object) {
    json::object made;
    if (const auto* found = object_in(object, "spec.template")) made = *found;
    if (auto* metadata = made.if_contains("metadata"); metadata && metadata->is_object())
        if (auto* labels = metadata->get_object().if_contains("labels"); labels && labels->is_object())
            labels->get_object().erase(deployment::template_hash);
    return made;
}

bool same_template(const json::object& left, const json::object& right) {
    return kinds::is_same(template_of(left), template_of(right));
}

json::object& annotations_of(json::object& object) { return make_object_in(object, "metadata.annotations"); }

}  // namespace

Outcome<void> Rollout::find_new(bool may_make) {
    new_ = nullptr;
    old_.clear();
    for (auto& set : sets_) {
        if (!new_ && same_template(set.tree, deployment_))
            new_ = &set;
        else
            old_.push_back(&set);
    }
    std::int64_t newest = 0;
    for (const auto* set : old_) newest = std::max(newest, set->revision());
    if (new_) return update_new(newest + 1);
    if (may_make) return make_new(newest + 1);
    return {};
}

Outcome<void> Rollout::update_new(std::int64_t revision) {
    auto tree = new_->tree;
    bool changes = annotate(tree, revision, true);
    auto min_ready = number_in(deployment_, "spec.minReadySeconds");
    if (number_in(tree, "spec.minReadySeconds") != min_ready) {
        make_object_in(tree, "spec")["minReadySeconds"] = min_ready;
        changes = true;
    }
    if (changes) new_->tree = TRY(tools_.client.update(deployment::set_kind(), std::move(tree)));
    TRY(note_revision(annotation_of(new_->tree, deployment::revision)));
    if (has_deadline() && !find_condition(status_, "Progressing"))
        set_condition("Progressing", "True", "FoundNewReplicaSet",
                      fmt::format("Found new replica set \"{}\"", new_->name()));
    return {};
}

Outcome<void> Rollout::make_new(std::int64_t revision) {
    auto pod_template = template_of(deployment_);
    std::optional<std::int64_t> collisions;
    if (value_in(status_, "collisionCount")) collisions = number_in(status_, "collisionCount");
    auto hash = hash_of(pod_template, collisions);
    make_object_in(pod_template, "metadata.labels")[deployment::template_hash] = hash;

    json::object set;
    auto& metadata = make_object_in(set, "metadata");
    metadata["name"] = name() + "-" + hash;
    metadata["namespace"] = text_in(deployment_, "metadata.namespace");
    metadata["labels"] = *value_in(pod_template, "metadata.labels");
    metadata["ownerReferences"] = json::array{json::value(reference_to(deployment_, deployment::kind()))};
    json::object spec;
    if (const auto* selector = object_in(deployment_, "spec.selector")) spec["selector"] = *selector;
    make_object_in(spec, "selector.matchLabels")[deployment::template_hash] = hash;
    spec["template"] = std::move(pod_template);
    if (auto min_ready = number_in(deployment_, "spec.minReadySeconds")) spec["minReadySeconds"] = min_ready;
    auto count = size_of_new(0);
    spec["replicas"] = count;
    set["spec"] = std::move(spec);
    annotate(set, revision, false);

    auto made = tools_.client.create(deployment::set_kind(), set);
    if (!made && made.error().reason == "AlreadyExists") return accept_existing(name() + "-" + hash, set);
    if (!made) {
        if (has_deadline()) {
            set_condition(
                "Progressing", "False", "ReplicaSetCreateError",
                fmt::format("Failed to create new replica set \"{}-{}\": {}", name(), hash, made.error().message));
            TRY(write_status());
        }
        return made.take_error();
    }
    made_ = Replicas{made.take()};
    new_ = &*made_;
    if (count > 0)
        tools_.events.normal(deployment_, "ScalingReplicaSet",
                             fmt::format("Scaled up replica set {} from 0 to {}", new_->name(), count));
    TRY(note_revision(std::to_string(revision)));
    if (has_deadline())
        set_condition("Progressing", "True", "NewReplicaSetCreated",
                      fmt::format("Created new replica set \"{}\"", new_->name()));
    return {};
}

// A set by that name: ours, made by somebody who saw it first, or one of another template whose hash is the same.
Outcome<void> Rollout::accept_existing(const std::string& name, const json::object& wished) {
    auto space = std::string(text_in(deployment_, "metadata.namespace"));
    auto found = TRY(tools_.client.get(deployment::set_kind(), space, name));
    auto owner = controller_of(found);
    if (owner && owner->uid == text_in(deployment_, "metadata.uid") && same_template(found, wished)) {
        made_ = Replicas{std::move(found)};
        new_ = &*made_;
        return {};
    }
    status_["collisionCount"] = number_in(status_, "collisionCount") + 1;
    TRY(write_status());
    return api::Status(409, "Conflict", fmt::format("replica set {} is there with another template", name));
}

Outcome<void> Rollout::note_revision(std::string_view revision) {
    if (revision.empty() || annotation_of(deployment_, deployment::revision) == revision) return {};
    json::object change;
    make_object_in(change, "metadata.annotations")[deployment::revision] = revision;
    deployment_ = TRY(tools_.client.patch(deployment::kind(), deployment_, std::move(change)));
    return {};
}

// What a replica set says of its deployment: its annotations, the revision, the counts. Whether anything is new.
bool Rollout::annotate(json::object& set, std::int64_t revision, bool is_there) const {
    bool changes = false;
    if (const auto* given = object_in(deployment_, "metadata.annotations"))
        for (const auto& [name, value] : *given) {
            bool is_own = std::find(std::begin(own_annotations), std::end(own_annotations), std::string_view(name)) !=
                          std::end(own_annotations);
            if (is_own || annotation_of(set, std::string_view(name)) == std::string_view(value.get_string())) continue;
            annotations_of(set)[name] = value;
            changes = true;
        }
    auto before = std::string(annotation_of(set, deployment::revision));
    if (parse_int(before).value_or(0) < revision) {
        auto& annotations = annotations_of(set);
        annotations[deployment::revision] = std::to_string(revision);
        changes = true;
        if (!before.empty()) {
            auto history = std::string(annotation_of(set, deployment::revision_history));
            history += (history.empty() ? "" : ",") + before;
            while (history.size() > max_history && history.find(',') != std::string::npos)
                history.erase(0, history.find(',') + 1);
            annotations[deployment::revision_history] = history;
        }
    }
    if (!is_there) changes = annotate_counts(set) || changes;
    return changes;
}

Outcome<void> Rollout::forget_oldest() {
    const auto* limit = value_in(deployment_, "spec.revisionHistoryLimit");
    if (!limit || !limit->is_int64() || limit->get_int64() >= INT32_MAX) return {};
    Sets kept;
    for (auto* set : old_)
        if (!is_going(set->tree)) kept.push_back(set);
    auto surplus = static_cast<std::int64_t>(kept.size()) - limit->get_int64();
    if (surplus <= 0) return {};
    std::stable_sort(kept.begin(), kept.end(),
                     [](const Replicas* left, const Replicas* right) { return left->revision() < right->revision(); });
    for (const auto* set : Sets(kept.begin(), kept.begin() + surplus)) {
        bool is_seen = number_in(set->tree, "metadata.generation") <= number_in(set->tree, "status.observedGeneration");
        if (set->there() != 0 || set->wanted() != 0 || !is_seen) continue;
        TRY(tools_.client.remove(deployment::set_kind(), set->tree));
    }
    return {};
}

}  // namespace pila::cluster::controllers
