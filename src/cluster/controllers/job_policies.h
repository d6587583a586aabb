// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a job's policies say of its pods: spec.podFailurePolicy, spec.successPolicy, and when a pod ended.

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <boost/json/fwd.hpp>

namespace pila::cluster::controllers {

namespace json = boost::json;

enum class FailureAction : char { Count, Ignore, FailIndex, FailJob };
struct FailureVerdict {
    FailureAction action = FailureAction::Count;  // also if no rule fits
    std::string message;                          // why the job fails
};
FailureVerdict judge_failure(const json::object& job, const json::object& pod);

// "Matched rules at index 0" if the indexes that are done suffice.
std::optional<std::string> find_success(const json::object& job, const std::set<std::int64_t>& done);

// Microseconds since 1970, as far as the pod says.
std::int64_t end_of_pod(const json::object& pod);

}  // namespace pila::cluster::controllers
