// SPDX-License-Identifier: Apache-2.0
#pragma once
// What writes have to pass beyond the policy: nobody grants what they do not have, and requests for certificates say
// who really asks and are decided by whoever may. Threads: any.

#include <boost/json/fwd.hpp>

#include "cluster/api/access.h"
#include "cluster/api/call.h"
#include "cluster/api/status.h"

namespace pila::cluster::api {

// A gate of the registry (registry.h).
Outcome<void> guard_write(const Access& access, const Call& call, json::object& object, const json::object* before);

// Of requests for certificates (certificate_guard.cpp).
Outcome<void> guard_certificate_request(const access::Policy& policy, const Call& call, json::object& object,
                                        const json::object* before);

}  // namespace pila::cluster::api
