// SPDX-License-Identifier: Apache-2.0
// Which pods a job has: how many at once, for which indexes, and when a failed one is replaced.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/mutex.h"
#include "cluster/controllers/burst.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/indexes.h"
#include "cluster/controllers/job_look.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::int64_t first_wait = 10, longest_wait = 360;  // seconds before a pod takes a failed one's place

}  // namespace

Outcome<void> JobLook::manage() {
    auto active = static_cast<std::int64_t>(count_active());
    if (has_condition("FailureTarget") || has_condition("SuccessCriteriaMet") || flag_in(job_, "spec.suspend"))
        return remove_pods(static_cast<std::size_t>(active));
    auto succeeded = number_in(status_, "succeeded");
    auto wanted = parallelism();
    if (auto all = completions())
        wanted = std::min(wanted, *all - succeeded - std::ssize(indexes_in("failedIndexes")));
    else if (succeeded > 0)
        wanted = std::min(wanted, active);
    if (active > wanted) return remove_pods(static_cast<std::size_t>(active - wanted));
    if (replaces_only_failed()) wanted -= static_cast<std::int64_t>(count_terminating());
    if (active >= wanted) return {};
    if (const auto& failures = tools_.failures; failures.in_a_row > 0 && !counts_by_index()) {
        auto wait = std::min(first_wait << std::min(failures.in_a_row - 1, 6), longest_wait);
        auto left = (failures.last - tools_.now) / 1'000'000 + wait;
        if (left > 0) {
            look_again(left);
            return {};
        }
    }
    return add_pods(wanted - active);
}

Outcome<void> JobLook::remove_pods(std::size_t count) {
    std::vector<const Pod*> order;
    for (const auto& pod : pods_)
        if (pod.is_active()) order.push_back(&pod);
    std::sort(order.begin(), order.end(),
              [&](const Pod* left, const Pod* right) { return goes_first(*left, 0, *right, 0, tools_.now); });
    order.resize(std::min(count, order.size()));
    for (const auto* pod : order) {
        // What goes with a job that failed has failed, too, and is counted when it is seen to go; what was one too
        // many is not.
        if (!has_condition("FailureTarget")) TRY(drop_job_finalizer(tools_.client, pod->tree));
        TRY(tools_.client.remove(pod_kind(), pod->tree));
        tools_.events.normal(job_, "SuccessfulDelete", "Deleted pod: " + pod->name);
    }
    return {};
}

std::vector<std::int64_t> JobLook::free_indexes(std::int64_t count) {
    find_unanswered();
    auto taken = indexes_in("completedIndexes");
    taken.merge(indexes_in("failedIndexes"));
    for (const auto& pod : pods_) {
        auto index = job_index_of(pod.tree);
        bool counts = pod.is_active() || (replaces_only_failed() && pod.is_going && pod.phase != Pod::Phase::Over);
        if (index && counts) taken.insert(*index);
    }
    std::vector<std::int64_t> free;
    for (std::int64_t index = 0; index < completions().value_or(0) && std::ssize(free) < count; ++index) {
        if (taken.contains(index)) continue;
        auto wait = counts_by_index() ? wait_of_index(index) : 0;
        if (wait > 0)
            look_again(wait);
        else
            free.push_back(index);
    }
    return free;
}

json::object JobLook::new_pod(std::optional<std::int64_t> index) const {
    static const json::object none;
    const auto* given = object_in(job_, "spec.template");
    auto pod = pod_of_template(given ? *given : none, job_, job_kind());
    auto& metadata = make_object_in(pod, "metadata");
    auto& finalizers = metadata["finalizers"];
    if (!finalizers.is_array()) finalizers.emplace_array();
    finalizers.get_array().emplace_back(job_finalizer);
    if (!index) return pod;
    auto number = std::to_string(*index);
    auto base = std::string(text_in(job_, "metadata.name")) + "-" + number;
    metadata["generateName"] = base + "-";
    for (auto part : {"annotations", "labels"}) make_object_in(metadata, part)[job_index_annotation] = number;
    if (counts_by_index()) put_failures(make_object_in(metadata, "annotations"), *index);
    auto& spec = make_object_in(pod, "spec");
    spec["hostname"] = base;
    json::object variable{{"name", "JOB_COMPLETION_INDEX"}, {"value", number}};
    for (auto part : {"initContainers", "containers"}) {
        auto* list = spec.if_contains(part);
        if (!list || !list->is_array()) continue;
        for (auto& container : list->get_array()) {
            if (!container.is_object()) continue;
            auto& environment = container.get_object()["env"];
            if (!environment.is_array()) environment.emplace_array();
            environment.get_array().push_back(variable);
        }
    }
    return pod;
}

Outcome<void> JobLook::add_pods(std::int64_t count) {
    auto indexes = is_indexed() ? free_indexes(count) : std::vector<std::int64_t>();
    if (is_indexed()) count = std::ssize(indexes);
    Mutex mutex;
    std::vector<json::object> added;
    auto made = burst(static_cast<std::size_t>(std::max<std::int64_t>(count, 0)), [&](std::size_t at) -> Outcome<void> {
        auto pod =
            TRY(tools_.client.create(pod_kind(), new_pod(is_indexed() ? std::optional(indexes[at]) : std::nullopt)));
        Lock lock(mutex);
        added.push_back(std::move(pod));
        return {};
    });
    std::vector<std::string> told;
    for (auto& pod : added) {
        told.push_back(fmt::format("Created pod: {}", text_in(pod, "metadata.name")));
        pods_.emplace_back(std::move(pod));
    }
    tools_.events.normal(job_, "SuccessfulCreate", told);
    if (made || made.error().code == 403) return {};  // 403: its namespace ends
    tools_.events.warning(job_, "FailedCreate", "Error creating: " + made.error().message);
    return made;
}

}  // namespace pila::cluster::controllers
