// SPDX-License-Identifier: Apache-2.0
#pragma once
// Kinds that are questions: posted, answered, never stored (who am I, may I).

#include <boost/json/fwd.hpp>

#include "cluster/api/call.h"
#include "cluster/api/status.h"

namespace pila::cluster::api {

bool is_review(const schema::Kind& kind);
// The object with its status filled in.
Outcome<json::value> answer_review(const Call& call, json::value review);

}  // namespace pila::cluster::api
