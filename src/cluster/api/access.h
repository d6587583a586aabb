// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who asks, and whether they may. For now: certificates of this cluster's authority, and what everybody may see.

#include "cluster/api/call.h"
#include "cluster/api/request.h"
#include "cluster/api/status.h"

namespace pila::cluster::api {

// Unauthorized: a certificate that nobody trusts, or a token that nobody gave.
Outcome<User> authenticate(const http::Request& request);
// Forbidden: says who may not do what, in the words kubectl shows.
Outcome<void> authorize(const User& user, const RequestInfo& info, std::string_view path);

}  // namespace pila::cluster::api
