// SPDX-License-Identifier: Apache-2.0
#pragma once
// The question and the answer: AdmissionReview of admission.k8s.io.

#include <string>
#include <vector>

#include <boost/json/value.hpp>

#include "cluster/webhooks/hook.h"

namespace pila::cluster::webhooks {

// `object` null: it is to be deleted; `before` null: it is new.
std::string write_review(const Hook& hook, const Request& request, const std::string& uid, const json::object* object,
                         const json::object* before);

struct Verdict {
    std::optional<Refusal> refusal;  // it said no
    json::value patch;               // RFC 6902; null: none
    std::vector<std::string> warnings;
};
// An error: this is no answer to that question.
Result<Verdict> read_verdict(const Hook& hook, std::string_view text, std::string_view uid);

}  // namespace pila::cluster::webhooks
