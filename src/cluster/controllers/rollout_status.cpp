// SPDX-License-Identifier: Apache-2.0
// What a deployment says of itself: counts, and the conditions that `kubectl rollout status` and `kubectl wait` read.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/rollout.h"

namespace pila::cluster::controllers {

namespace {

std::string_view reason_of(const json::object* condition) {
    return condition ? text_in(*condition, "reason") : std::string_view();
}

}  // namespace

bool Rollout::has_deadline() const {
    const auto* seconds = value_in(deployment_, "spec.progressDeadlineSeconds");
    return seconds && seconds->is_int64() && seconds->get_int64() < INT32_MAX;
}

// A condition that says the same stays as it is, unless progress was made `anew`; the time of its last transition stays
// while its value does.
void Rollout::set_condition(std::string_view type, std::string_view value, std::string_view reason, std::string message,
                            bool anew) {
    const auto* known = find_condition(status_, type);
    bool same_value = known && text_in(*known, "status") == value;
    if (same_value && !anew && reason_of(known) == reason) return;
    auto now = codec::format_time(tools_.now / 1'000'000);
    auto since = same_value ? std::string(text_in(*known, "lastTransitionTime")) : now;
    json::object made{{"type", type},     {"status", value},   {"lastUpdateTime", now}, {"lastTransitionTime", since},
                      {"reason", reason}, {"message", message}};
    remove_condition(status_, type);
    auto& list = status_["conditions"];
    if (!list.is_array()) list.emplace_array();
    list.get_array().push_back(std::move(made));
}

void Rollout::note_pause() {
    if (!has_deadline()) return;
    auto reason = reason_of(find_condition(status_, "Progressing"));
    if (reason == "ProgressDeadlineExceeded") return;
    bool said = reason == "DeploymentPaused";
    if (is_paused() && !said)
        set_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
    else if (!is_paused() && said)
        set_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
}

void Rollout::count() {
    std::int64_t there = 0, ready = 0, available = 0;
    for (const auto* set : all()) {
        there += set->there();
        ready += number_in(set->tree, "status.readyReplicas");
        available += set->available();
    }
    auto put = [&](std::string_view member, std::int64_t number) {
        if (number != 0)
            status_[member] = number;
        else
            status_.erase(member);
    };
    put("observedGeneration", number_in(deployment_, "metadata.generation"));
    put("replicas", there);
    put("updatedReplicas", new_ ? new_->there() : 0);
    put("readyReplicas", ready);
    put("availableReplicas", available);
    put("unavailableReplicas", std::max<std::int64_t>(sum_wanted(all()) - available, 0));
    if (available >= wanted() - unavailable())
        set_condition("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.");
    else
        set_condition("Available", "False", "MinimumReplicasUnavailable",
                      "Deployment does not have minimum availability.");
}

bool Rollout::is_complete(const json::object& status) const {
    return number_in(status, "updatedReplicas") == wanted() && number_in(status, "replicas") == wanted() &&
           number_in(status, "availableReplicas") == wanted() &&
           number_in(status, "observedGeneration") >= number_in(deployment_, "metadata.generation");
}

// Seconds until the deadline, at most 0 if it has passed; nullopt: none runs.
std::optional<std::int64_t> Rollout::time_to_deadline() const {
    const auto* progress = find_condition(status_, "Progressing");
    auto reason = reason_of(progress);
    if (!progress || reason == "NewReplicaSetAvailable" || reason == "ProgressDeadlineExceeded") return std::nullopt;
    auto until =
        time_in(*progress, "lastUpdateTime") + number_in(deployment_, "spec.progressDeadlineSeconds") * 1'000'000;
    return (until - tools_.now) / 1'000'000;
}

void Rollout::judge_progress() {
    if (!has_deadline()) return remove_condition(status_, "Progressing");
    auto told = [&](std::string_view member) {
        return number_in(deployment_, std::string("status.") + std::string(member));
    };
    auto now = [&](std::string_view member) { return number_in(status_, member); };
    const auto* progress = find_condition(status_, "Progressing");
    if (reason_of(progress) == "NewReplicaSetAvailable" && now("replicas") == now("updatedReplicas")) return;
    auto subject = new_ ? fmt::format("ReplicaSet \"{}\"", new_->name()) : fmt::format("Deployment \"{}\"", name());
    bool moves = now("updatedReplicas") > told("updatedReplicas") || now("readyReplicas") > told("readyReplicas") ||
                 now("availableReplicas") > told("availableReplicas") ||
                 now("replicas") - now("updatedReplicas") < told("replicas") - told("updatedReplicas");
    if (is_complete(status_)) {
        set_condition("Progressing", "True", "NewReplicaSetAvailable", subject + " has successfully progressed.");
    } else if (moves) {
        set_condition("Progressing", "True", "ReplicaSetUpdated", subject + " is progressing.", true);
    } else if (auto left = time_to_deadline(); left && *left < 0) {
        set_condition("Progressing", "False", "ProgressDeadlineExceeded", subject + " has timed out progressing.");
    }
    if (auto left = time_to_deadline()) again_ = std::max<std::int64_t>(*left, 0) + 1;
}

void Rollout::tell_failures() {
    const json::object* failure = nullptr;
    auto sets = all();
    for (auto set = sets.rbegin(); set != sets.rend() && !failure; ++set)  // today's first
        if (const auto* status = object_in((*set)->tree, "status")) failure = find_condition(*status, "ReplicaFailure");
    if (!failure) return remove_condition(status_, "ReplicaFailure");
    set_condition("ReplicaFailure", text_in(*failure, "status"), text_in(*failure, "reason"),
                  std::string(text_in(*failure, "message")));
}

Outcome<void> Rollout::write_status() {
    const auto* before = object_in(deployment_, "status");
    if (before ? *before == status_ : status_.empty()) return {};
    auto changed = deployment_;
    changed["status"] = status_;
    deployment_ = TRY(tools_.client.update_status(deployment::kind(), std::move(changed)));
    return {};
}

Outcome<void> Rollout::finish() {
    count();
    judge_progress();
    tell_failures();
    return write_status();
}

}  // namespace pila::cluster::controllers
