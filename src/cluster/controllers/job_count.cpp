// SPDX-License-Identifier: Apache-2.0
// How pods that ended become numbers, each of them once.
#include <algorithm>

#include <boost/json.hpp>

#include "cluster/controllers/fields.h"
#include "cluster/controllers/indexes.h"
#include "cluster/controllers/job_look.h"
#include "cluster/controllers/job_policies.h"

namespace pila::cluster::controllers {

namespace {

bool has_succeeded(const Pod& pod) { return text_in(pod.tree, "status.phase") == "Succeeded"; }

std::set<std::string> uids_in(const json::object& status, const char* list) {
    std::set<std::string> uids;
    if (const auto* found = list_in(status, std::string("uncountedTerminatedPods.") + list))
        for (const auto& one : *found)
            if (one.is_string()) uids.emplace(std::string_view(one.get_string()));
    return uids;
}

}  // namespace

bool JobLook::has_notes() const {
    return !uids_in(status_, "succeeded").empty() || !uids_in(status_, "failed").empty();
}

// Pods that ended are noted; the notes are on disk before a pod may go, and it has gone before it is counted for good.
Outcome<void> JobLook::count_ended() {
    settle_notes();
    note_ended();
    auto noted = uids_in(status_, "succeeded");
    noted.merge(uids_in(status_, "failed"));
    noted.insert(ignored_.begin(), ignored_.end());
    if (noted.empty()) return {};
    TRY(write_status());
    for (auto& pod : pods_) {
        if (!noted.contains(std::string(text_in(pod.tree, "metadata.uid")))) continue;
        TRY(drop_job_finalizer(tools_.client, pod.tree));
        make_object_in(pod.tree, "metadata").erase("finalizers");
    }
    settle_notes();
    return {};
}

bool JobLook::replaces_only_failed() const { return text_in(job_, "spec.podReplacementPolicy") == "Failed"; }

// A pod that goes before it ended will not succeed any more, unless the job is to wait for that.
bool JobLook::has_failed(const Pod& pod) const {
    if (pod.phase == Pod::Phase::Over) return !has_succeeded(pod);
    return pod.is_going && (!replaces_only_failed() || has_condition("FailureTarget"));
}

void JobLook::find_fatal_failure() {
    for (const auto& pod : pods_) {
        if (pod.phase != Pod::Phase::Over || !has_failed(pod) || !has_finalizer(pod.tree, job_finalizer)) continue;
        auto verdict = judge_failure(job_, pod.tree);
        if (verdict.action != FailureAction::FailJob) continue;
        if (has_condition("FailureTarget") || has_condition("SuccessCriteriaMet")) return;
        return set_condition("FailureTarget", true, "PodFailurePolicy", verdict.message);
    }
}

// Whether anything new is noted.
bool JobLook::note_failed(const Pod& pod, std::set<std::string>& failed) {
    auto uid = std::string(text_in(pod.tree, "metadata.uid"));
    if (failed.contains(uid) || is_kept(pod)) return false;
    // A suspended job's pods, and those that were one too many, did not fail.
    if (pod.phase == Pod::Phase::Over) tools_.failures = {tools_.failures.in_a_row + 1, tools_.now};
    if (judge_failure(job_, pod.tree).action == FailureAction::Ignore)
        ignored_.insert(uid);
    else
        failed.insert(uid);
    return true;
}

void JobLook::note_ended() {
    auto succeeded = uids_in(status_, "succeeded"), failed = uids_in(status_, "failed");
    auto done = indexes_in("completedIndexes");
    find_unanswered();
    bool any = false;
    for (const auto& pod : pods_) {
        if (!has_finalizer(pod.tree, job_finalizer)) continue;
        if (has_succeeded(pod)) {
            tools_.failures = {};
            if (is_indexed()) {
                if (auto index = job_index_of(pod.tree)) done.insert(*index);
                any = true;
            }
            any = succeeded.insert(std::string(text_in(pod.tree, "metadata.uid"))).second || any;
        } else if (has_failed(pod)) {
            any = note_failed(pod, failed) || any;
        }
    }
    if (!any) return;
    json::array succeeded_list, failed_list;
    for (const auto& uid : succeeded) succeeded_list.emplace_back(uid);
    for (const auto& uid : failed) failed_list.emplace_back(uid);
    auto& notes = make_object_in(status_, "uncountedTerminatedPods");
    notes["succeeded"] = std::move(succeeded_list);
    notes["failed"] = std::move(failed_list);
    if (is_indexed()) status_["completedIndexes"] = write_indexes(done);
}

// Noted pods that have no finalizer any more, or are gone, become numbers.
void JobLook::settle_notes() {
    std::set<std::string> held;
    for (const auto& pod : pods_)
        if (has_finalizer(pod.tree, job_finalizer)) held.emplace(text_in(pod.tree, "metadata.uid"));
    for (auto list : {"succeeded", "failed"}) {
        auto noted = uids_in(status_, list);
        if (noted.empty()) continue;
        json::array left;
        std::int64_t counted = 0;
        for (const auto& uid : noted) {
            if (held.contains(uid))
                left.emplace_back(uid);
            else
                ++counted;
        }
        make_object_in(status_, "uncountedTerminatedPods")[list] = std::move(left);
        status_[list] = number_in(status_, list) + counted;
    }
    if (is_indexed())
        status_["succeeded"] = static_cast<std::int64_t>(
            read_indexes(text_in(status_, "completedIndexes"), completions().value_or(0)).size());
}

}  // namespace pila::cluster::controllers
