// SPDX-License-Identifier: Apache-2.0
// Source: kube-controller-manager's pkg/controller/job (pod_failure_policy.go, success_policy.go), words included.
#include "cluster/controllers/job_policies.h"

#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/controllers/fields.h"
#include "cluster/controllers/indexes.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::controllers {

namespace {

template <typename Call>
void each_terminated(const json::object& pod, Call&& call) {
    for (auto list : {"status.containerStatuses", "status.initContainerStatuses"})
        kinds::each_object(list_in(pod, list), [&](const json::object& one, std::size_t) {
            if (const auto* ended = object_in(one, "state.terminated")) call(text_in(one, "name"), *ended);
        });
}

std::string place_of(const json::object& pod) {
    return fmt::format("{}/{}", text_in(pod, "metadata.namespace"), text_in(pod, "metadata.name"));
}

std::optional<std::string> fits_exit_codes(const json::object& rule, const json::object& pod) {
    std::optional<std::string> found;
    auto wanted = text_in(rule, "containerName");
    bool wants_in = text_in(rule, "operator") == "In";
    const auto* values = list_in(rule, "values");
    each_terminated(pod, [&](std::string_view name, const json::object& ended) {
        auto code = number_in(ended, "exitCode");
        if (found || code == 0 || (!wanted.empty() && wanted != name)) return;
        bool is_in = values && std::any_of(values->begin(), values->end(),
                                           [&](const json::value& one) { return kinds::integer_of(one) == code; });
        if (is_in == wants_in)
            found = fmt::format("Container {} for pod {} failed with exit code {}", name, place_of(pod), code);
    });
    return found;
}

std::optional<std::string> fits_conditions(const json::array& patterns, const json::object& pod) {
    std::optional<std::string> found;
    const auto* status = object_in(pod, "status");
    kinds::each_object(&patterns, [&](const json::object& pattern, std::size_t) {
        auto type = text_in(pattern, "type");
        const auto* one = status ? find_condition(*status, type) : nullptr;
        if (!found && one && text_in(*one, "status") == kinds::text_at(pattern, "status", "True"))
            found = fmt::format("Pod {} has condition {}", place_of(pod), type);
    });
    return found;
}

}  // namespace

FailureVerdict judge_failure(const json::object& job, const json::object& pod) {
    FailureVerdict verdict;
    bool is_decided = false;
    kinds::each_object(list_in(job, "spec.podFailurePolicy.rules"), [&](const json::object& rule, std::size_t index) {
        if (is_decided) return;
        std::optional<std::string> why;
        if (const auto* codes = object_in(rule, "onExitCodes")) why = fits_exit_codes(*codes, pod);
        if (const auto* patterns = list_in(rule, "onPodConditions"); patterns && !why)
            why = fits_conditions(*patterns, pod);
        if (!why) return;
        is_decided = true;
        auto action = text_in(rule, "action");
        if (action == "Ignore") verdict.action = FailureAction::Ignore;
        if (action == "FailIndex") verdict.action = FailureAction::FailIndex;
        if (action == "FailJob") verdict.action = FailureAction::FailJob;
        verdict.message = fmt::format("{} matching {} rule at index {}", *why, action, index);
    });
    return verdict;
}

std::optional<std::string> find_success(const json::object& job, const std::set<std::int64_t>& done) {
    std::optional<std::string> found;
    auto completions = number_in(job, "spec.completions");
    kinds::each_object(list_in(job, "spec.successPolicy.rules"), [&](const json::object& rule, std::size_t index) {
        if (found) return;
        auto counted = std::ssize(done), needed = completions;
        if (value_in(rule, "succeededIndexes")) {
            auto wanted = read_indexes(text_in(rule, "succeededIndexes"), completions);
            counted = std::count_if(wanted.begin(), wanted.end(), [&](auto one) { return done.contains(one); });
            needed = std::ssize(wanted);
        }
        if (value_in(rule, "succeededCount")) needed = number_in(rule, "succeededCount");
        if (counted >= needed) found = fmt::format("Matched rules at index {}", index);
    });
    return found;
}

std::int64_t end_of_pod(const json::object& pod) {
    std::int64_t latest = 0;
    each_terminated(pod, [&](std::string_view, const json::object& ended) {
        latest = std::max(latest, time_in(ended, "finishedAt"));
    });
    const auto* status = object_in(pod, "status");
    const auto* ready = status ? find_condition(*status, "Ready") : nullptr;
    if (latest == 0 && ready && !is_true(ready)) latest = time_in(*ready, "lastTransitionTime");
    if (latest == 0) latest = time_in(pod, "metadata.deletionTimestamp");
    return latest != 0 ? latest : time_in(pod, "metadata.creationTimestamp");
}

}  // namespace pila::cluster::controllers
