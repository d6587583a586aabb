// SPDX-License-Identifier: Apache-2.0
#pragma once
// Kinds that are questions: posted, answered, never stored (who am I, may I, whose is this token).

#include <boost/json/fwd.hpp>

#include "cluster/api/access.h"
#include "cluster/api/call.h"
#include "cluster/api/status.h"

namespace pila::cluster::api {

bool is_review(const schema::Kind& kind);
// The object with its status filled in. Invalid, BadRequest: it does not say what it asks.
Outcome<json::value> answer_review(const Access& access, const Call& call, json::value review);

// The serviceaccounts/token subresource: a TokenRequest, filled in with a new token. Conflict: what it is to be bound
// to is another object by now.
Outcome<json::value> answer_token_request(const access::Authenticator& authenticator, const state::State& state,
                                          const Call& call, json::value request);

// A body that is not stored: its shape is checked, what is unknown goes.
Outcome<void> fit_question(json::value& question, std::string_view type);

}  // namespace pila::cluster::api
