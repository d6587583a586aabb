// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/job_look.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "base/text.h"
#include "cluster/codec/codec.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/indexes.h"
#include "cluster/controllers/job_policies.h"

namespace pila::cluster::controllers {

const schema::Kind& job_kind() {
    static const auto& kind = kind_of("batch", "v1", "jobs");
    return kind;
}

std::optional<std::int64_t> job_index_of(const json::object& pod) {
    return parse_int(annotation_of(pod, job_index_annotation));
}

const json::object* finished_condition(const json::object& job) {
    const auto* status = object_in(job, "status");
    for (auto type : {"Complete", "Failed"})
        if (const auto* one = status ? find_condition(*status, type) : nullptr; is_true(one)) return one;
    return nullptr;
}

Outcome<void> drop_job_finalizer(const Client& client, const json::object& pod) {
    auto dropped = client.drop_finalizer(pod_kind(), pod, job_finalizer);
    if (!dropped && !is_not_found(dropped.error())) return dropped.take_error();
    return {};
}

JobLook::JobLook(Tools tools, json::object job, std::vector<json::object> pods) : tools_(tools), job_(std::move(job)) {
    if (const auto* status = object_in(job_, "status")) status_ = *status;
    for (auto& pod : pods) pods_.emplace_back(std::move(pod));
}

bool JobLook::is_indexed() const { return text_in(job_, "spec.completionMode") == "Indexed"; }

std::optional<std::int64_t> JobLook::completions() const {
    if (!value_in(job_, "spec.completions")) return std::nullopt;
    return number_in(job_, "spec.completions");
}

std::int64_t JobLook::parallelism() const { return number_in(job_, "spec.parallelism", 1); }

std::size_t JobLook::count_active() const {
    return static_cast<std::size_t>(
        std::count_if(pods_.begin(), pods_.end(), [](const Pod& pod) { return pod.is_active(); }));
}

std::size_t JobLook::count_terminating() const {
    return static_cast<std::size_t>(std::count_if(
        pods_.begin(), pods_.end(), [](const Pod& pod) { return pod.is_going && pod.phase != Pod::Phase::Over; }));
}

void JobLook::look_again(std::int64_t seconds) {
    seconds = std::max<std::int64_t>(seconds, 1);
    again_ = again_ ? std::min(*again_, seconds) : seconds;
}

bool JobLook::has_condition(std::string_view type) const { return is_true(find_condition(status_, type)); }

void JobLook::set_condition(std::string_view type, bool value, std::string_view reason, std::string_view message) {
    if (const auto* known = find_condition(status_, type); known && is_true(known) == value) return;
    auto now = codec::format_time(tools_.now / 1'000'000);
    json::object made{{"type", type},         {"status", value ? "True" : "False"},
                      {"lastProbeTime", now}, {"lastTransitionTime", now},
                      {"reason", reason},     {"message", message}};
    remove_condition(status_, type);
    auto& list = status_["conditions"];
    if (!list.is_array()) list.emplace_array();
    list.get_array().push_back(std::move(made));
}

Outcome<void> JobLook::run() {
    start_or_suspend();
    find_fatal_failure();
    note_failed_indexes();
    TRY(count_ended());
    judge();
    auto managed = manage();
    conclude();
    TRY(write_status());
    return managed;
}

void JobLook::start_or_suspend() {
    bool suspended = flag_in(job_, "spec.suspend");
    auto now = codec::format_time(tools_.now / 1'000'000);
    if (suspended && !has_condition("Suspended")) {
        status_.erase("startTime");
        set_condition("Suspended", true, "JobSuspended", "Job suspended");
        tools_.events.normal(job_, "Suspended", "Job suspended");
    } else if (!suspended && has_condition("Suspended")) {
        status_["startTime"] = now;
        set_condition("Suspended", false, "JobResumed", "Job resumed");
        tools_.events.normal(job_, "Resumed", "Job resumed");
    } else if (!suspended && !status_.contains("startTime")) {
        status_["startTime"] = now;
    }
}

bool JobLook::is_past_restarts() const {
    if (text_in(job_, "spec.template.spec.restartPolicy") != "OnFailure") return false;
    auto limit = number_in(job_, "spec.backoffLimit", 6);
    std::int64_t restarts = 0;
    for (const auto& pod : pods_)
        if (pod.is_active()) restarts += pod.restarts;
    return limit == 0 ? restarts > 0 : restarts >= limit;
}

bool JobLook::is_done() const {
    auto succeeded = number_in(status_, "succeeded");
    auto wanted = completions();
    return wanted ? succeeded >= *wanted : succeeded > 0 && count_active() == 0;
}

void JobLook::judge() {
    if (has_condition("FailureTarget") || has_condition("SuccessCriteriaMet")) return;
    if (judge_indexes()) return;
    if (number_in(status_, "failed") > number_in(job_, "spec.backoffLimit", 6) || is_past_restarts())
        return set_condition("FailureTarget", true, "BackoffLimitExceeded",
                             "Job has reached the specified backoff limit");
    auto deadline = number_in(job_, "spec.activeDeadlineSeconds");
    if (auto started = time_in(status_, "startTime"); deadline != 0 && started != 0) {
        auto left = (started - tools_.now) / 1'000'000 + deadline;
        if (left <= 0)
            return set_condition("FailureTarget", true, "DeadlineExceeded",
                                 "Job was active longer than specified deadline");
        look_again(left);
    }
    if (flag_in(job_, "spec.suspend")) return;
    if (auto why = is_indexed() ? find_success(job_, indexes_in("completedIndexes")) : std::nullopt)
        set_condition("SuccessCriteriaMet", true, "SuccessPolicy", *why);
    else if (is_done())
        set_condition("SuccessCriteriaMet", true, "CompletionsReached", "Reached expected number of succeeded pods");
}

// The end is told once nothing of it is left.
void JobLook::conclude() {
    auto active = static_cast<std::int64_t>(count_active()), going = static_cast<std::int64_t>(count_terminating());
    std::int64_t ready = 0;
    for (const auto& pod : pods_) ready += pod.is_active() && pod.is_ready;
    bool ends = has_condition("FailureTarget") || has_condition("SuccessCriteriaMet");
    if (ends || flag_in(job_, "spec.suspend")) going += std::exchange(active, 0);  // they were just told to go
    status_["ready"] = ready;
    status_["terminating"] = going;
    if (active != 0)
        status_["active"] = active;
    else
        status_.erase("active");
    if (auto* notes = status_.if_contains("uncountedTerminatedPods"); !notes || !notes->is_object())
        status_["uncountedTerminatedPods"] = json::object();
    bool is_quiet = active == 0 && going == 0 && !has_notes() &&
                    std::none_of(pods_.begin(), pods_.end(), [&](const Pod& pod) {  // it is counted first
                        return pod.phase == Pod::Phase::Over && has_finalizer(pod.tree, job_finalizer);
                    });
    if (!ends || !is_quiet) return;
    if (const auto* why = find_condition(status_, "FailureTarget"); is_true(why)) {
        auto reason = std::string(text_in(*why, "reason")), message = std::string(text_in(*why, "message"));
        set_condition("Failed", true, reason, message);
        tools_.events.warning(job_, reason, message);
    } else {
        status_["completionTime"] = codec::format_time(tools_.now / 1'000'000);
        const auto* met = find_condition(status_, "SuccessCriteriaMet");
        auto reason = std::string(text_in(*met, "reason")), message = std::string(text_in(*met, "message"));
        set_condition("Complete", true, reason, message);
        tools_.events.normal(job_, "Completed", "Job completed");
    }
    status_["ready"] = 0;
}

Outcome<void> JobLook::write_status() {
    const auto* before = object_in(job_, "status");
    if (before ? *before == status_ : status_.empty()) return {};
    auto changed = job_;
    changed["status"] = status_;
    job_ = TRY(tools_.client.update_status(job_kind(), std::move(changed)));
    if (const auto* now = object_in(job_, "status")) status_ = *now;
    return {};
}

}  // namespace pila::cluster::controllers
