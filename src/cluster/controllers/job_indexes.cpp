// SPDX-License-Identifier: Apache-2.0
// Jobs with spec.backoffLimitPerIndex: an index fails by itself. How often it failed stands on its pods, so the last
// one that failed is held by its finalizer, uncounted, until another has taken the number over.
#include <algorithm>

#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/indexes.h"
#include "cluster/controllers/job_look.h"
#include "cluster/controllers/job_policies.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view failures_annotation = "batch.kubernetes.io/job-index-failure-count";
constexpr std::string_view ignored_annotation = "batch.kubernetes.io/job-index-ignored-failure-count";
constexpr std::int64_t first_wait = 10, longest_wait = 360;  // seconds before a pod takes a failed one's place

std::int64_t failures_of(const json::object& pod) {
    return parse_int(annotation_of(pod, failures_annotation)).value_or(0);
}
std::int64_t ignored_of(const json::object& pod) {
    return parse_int(annotation_of(pod, ignored_annotation)).value_or(0);
}

}  // namespace

bool JobLook::counts_by_index() const { return is_indexed() && value_in(job_, "spec.backoffLimitPerIndex"); }

std::set<std::int64_t> JobLook::indexes_in(std::string_view member) const {
    return read_indexes(text_in(status_, member), completions().value_or(0));
}

void JobLook::note_failed_indexes() {
    if (!counts_by_index() || has_condition("FailureTarget")) return;  // what goes now does so for that
    auto failed = indexes_in("failedIndexes");
    auto limit = number_in(job_, "spec.backoffLimitPerIndex");
    for (const auto& pod : pods_) {
        auto index = job_index_of(pod.tree);
        if (!index || !has_finalizer(pod.tree, job_finalizer) || !has_failed(pod)) continue;
        auto action = judge_failure(job_, pod.tree).action;
        bool counts = action != FailureAction::Ignore && failures_of(pod.tree) >= limit;
        if (action == FailureAction::FailIndex || counts) failed.insert(*index);
    }
    status_["failedIndexes"] = write_indexes(failed);
}

void JobLook::find_unanswered() {
    unanswered_.clear();
    if (!counts_by_index()) return;
    std::set<std::int64_t> active;
    for (const auto& pod : pods_) {
        auto index = job_index_of(pod.tree);
        if (!index) continue;
        if (pod.is_active()) active.insert(*index);
        if (!has_failed(pod) || !has_finalizer(pod.tree, job_finalizer)) continue;
        auto& last = unanswered_[*index];
        if (!last || failures_of(pod.tree) + ignored_of(pod.tree) > failures_of(last->tree) + ignored_of(last->tree))
            last = &pod;
    }
    for (auto index : active) unanswered_.erase(index);
}

// Null: none.
const Pod* JobLook::last_failed(std::int64_t index) const {
    auto found = unanswered_.find(index);
    return found == unanswered_.end() ? nullptr : found->second;
}

bool JobLook::is_kept(const Pod& pod) const {
    if (!counts_by_index() || has_condition("FailureTarget") || has_condition("SuccessCriteriaMet")) return false;
    auto index = job_index_of(pod.tree);
    if (!index || indexes_in("failedIndexes").contains(*index) || indexes_in("completedIndexes").contains(*index))
        return false;
    return last_failed(*index) == &pod;
}

// Seconds until there may be another pod of the index; 0: now.
std::int64_t JobLook::wait_of_index(std::int64_t index) const {
    const auto* last = last_failed(index);
    if (!last) return 0;
    auto before = std::min<std::int64_t>(failures_of(last->tree) + ignored_of(last->tree), 6);
    auto wait = std::min(first_wait << before, longest_wait);
    return std::max<std::int64_t>((end_of_pod(last->tree) - tools_.now) / 1'000'000 + wait, 0);
}

void JobLook::put_failures(json::object& pod_annotations, std::int64_t index) const {
    std::int64_t failures = 0, ignored = 0;
    if (const auto* last = last_failed(index)) {
        bool is_ignored = judge_failure(job_, last->tree).action == FailureAction::Ignore;
        failures = failures_of(last->tree) + !is_ignored;
        ignored = ignored_of(last->tree) + is_ignored;
    }
    pod_annotations[failures_annotation] = std::to_string(failures);
    if (ignored > 0) pod_annotations[ignored_annotation] = std::to_string(ignored);
}

bool JobLook::judge_indexes() {
    if (!counts_by_index()) return false;
    auto failed = std::ssize(indexes_in("failedIndexes")), done = std::ssize(indexes_in("completedIndexes"));
    if (value_in(job_, "spec.maxFailedIndexes") && failed > number_in(job_, "spec.maxFailedIndexes")) {
        set_condition("FailureTarget", true, "MaxFailedIndexesExceeded",
                      "Job has exceeded the specified maximal number of failed indexes");
        return true;
    }
    if (failed == 0 || failed + done < completions().value_or(0)) return false;
    set_condition("FailureTarget", true, "FailedIndexes", "Job has failed indexes");
    return true;
}

}  // namespace pila::cluster::controllers
