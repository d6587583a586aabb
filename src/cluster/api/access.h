// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who sends a request, and whether they may: certificates and tokens of this cluster, impersonation, and the policy.
// Threads: any.

#include "cluster/access/authenticator.h"
#include "cluster/access/policy.h"
#include "cluster/api/call.h"
#include "cluster/api/request.h"
#include "cluster/api/status.h"

namespace pila::cluster::api {

class Access {
public:
    Access(state::State& state, access::Authenticator authenticator)
        : policy_(state), authenticator_(std::move(authenticator)) {}

    // Unauthorized: a certificate that nobody trusts, or a token that nobody gave. Forbidden: to act as somebody else.
    // `real`: who asks in the name of that user; the same, if nobody does.
    Outcome<User> authenticate(const http::Request& request, User& real) const;
    // By what they may ("": they may do everything). Forbidden: says who may not do what, in the words kubectl shows.
    Outcome<std::string> authorize(const User& user, const access::Action& action) const;

    const access::Policy& policy() const { return policy_; }
    const access::Authenticator& authenticator() const { return authenticator_; }

private:
    Outcome<User> recognise(const http::Request& request) const;
    Outcome<User> impersonate(User user, const http::Request& request) const;

    const access::Policy policy_;
    const access::Authenticator authenticator_;
};

// A list or watch of the one object that its field selector names counts as a question for that name.
access::Action action_of(const RequestInfo& info, const http::Request& request);

}  // namespace pila::cluster::api
