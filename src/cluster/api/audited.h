// SPDX-License-Identifier: Apache-2.0
#pragma once
// One request as the audit log tells of it. Threads: that of the request; the end of a watch may come on another.

#include <memory>
#include <string>

#include "cluster/access/user.h"
#include "cluster/api/request.h"
#include "cluster/audit/log.h"
#include "cluster/audit/policy.h"
#include "http/message.h"

namespace pila::cluster::api {

struct Audit {
    audit::Policy policy;
    std::unique_ptr<audit::Log> log;
};

class Audited {
public:
    // `audit` null: nothing is told of.
    Audited(const Audit* audit, http::Request& request);
    ~Audited();
    Audited(const Audited&) = delete;
    Audited& operator=(const Audited&) = delete;

    // Once it is known who asks for what, or that nobody knows them (no name). `real`: who asks in the name of `user`,
    // or null.
    void begin(const RequestInfo& info, const access::User& user, const access::User* real);
    // Whether they may, and why.
    void judged(bool is_allowed, std::string_view reason);
    void end(http::Response& response);

private:
    class Body;
    struct Event;
    http::Request& request_;
    const Audit* const audit_;
    http::BodyReader* const original_;
    std::unique_ptr<Body> body_;
    std::shared_ptr<Event> event_;
};

}  // namespace pila::cluster::api
