// SPDX-License-Identifier: Apache-2.0
#pragma once
// The Kubernetes API (v1.33) over the cluster's objects: who asks, what they may, and then the one path of the
// registry. Source: Kubernetes API conventions and what kubectl 1.27 to 1.33 send. Threads: any; one call per request.

#include <memory>
#include <string>

#include "cluster/api/access.h"
#include "cluster/api/admit.h"
#include "cluster/api/audited.h"
#include "cluster/api/directory.h"
#include "cluster/api/follower.h"
#include "cluster/api/registry.h"
#include "cluster/api/request.h"
#include "cluster/api/token_secrets.h"
#include "cluster/api/watch_stream.h"
#include "cluster/audit/log.h"
#include "cluster/webhooks/webhooks.h"
#include "crypto/certificates.h"
#include "http/message.h"

namespace pila::cluster::api {

struct ApiOptions {
    std::string version;  // of pila
    std::string address;  // HOST:PORT, as clients reach it
    // Of the authority (authority.h): its certificate and key, and the key of tokens. "": tokens under a key that ends
    // with us, no certificates.
    std::string pki_directory;
    std::string token_file;         // static_tokens.h; "": none
    std::string audit_policy_file;  // "": nothing is logged
    audit::LogOptions audit_log;
};

class Api {
public:
    Api(state::State& state, ApiOptions options);
    ~Api();
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;

    // The namespaces, roles and bindings that are always there; deletions of kinds that were under way go on. Before
    // the first request.
    Result<void> start();
    // For those who write beside the clients: controllers.
    Registry& registry() { return registry_; }
    const Directory& directory() const { return directory_; }
    // Never throws, never fails: errors are Status objects.
    http::Response handle(http::Request& request);

private:
    Outcome<http::Response> answer(http::Request& request, Audited& audited, std::vector<std::string>& warnings);
    Outcome<http::Response> answer_path(http::Request& request, const RequestInfo& info) const;
    Outcome<http::Response> answer_document(http::Request& request) const;
    Outcome<http::Response> answer_health(const http::Request& request) const;
    Outcome<http::Response> answer_metrics() const;
    Outcome<http::Response> answer_token_keys(bool wants_keys) const;
    Result<void> start_access();
    Outcome<http::Response> answer_resource(http::Request& request, const RequestInfo& info, const User& user,
                                            std::vector<std::string>& warnings);
    Outcome<http::Response> answer_kind(http::Request& request, const RequestInfo& info, const KindPointer& kind,
                                        const User& user, std::vector<std::string>& warnings);
    Outcome<http::Response> list(http::Request& request, const RequestInfo& info, const schema::Kind& kind);
    Outcome<http::Response> watch(http::Request& request, const RequestInfo& info, const KindPointer& keeps);
    Outcome<http::Response> remove(http::Request& request, Call& call);
    Outcome<http::Response> remove_all(http::Request& request, Call& call);
    Outcome<http::Response> write(http::Request& request, Call& call, const RequestInfo& info);
    void empty_definition(const std::string& name);
    void look_at_names(const std::string& group);

    const ApiOptions options_;
    state::State& state_;
    Directory directory_;
    Registry registry_;
    std::unique_ptr<Access> access_;  // made by start()
    std::unique_ptr<webhooks::Webhooks> webhooks_;
    std::unique_ptr<Audit> audit_;  // null: no log
    std::unique_ptr<Admit> admit_;  // alike
    crypto::KeyPair authority_;
    std::unique_ptr<TokenSecrets> secrets_;
    TimerQueue timers_;
    WorkQueue work_;
    WorkQueue definitions_;                             // empties definitions of kinds that go
    std::vector<std::shared_ptr<Follower>> followers_;  // stopped first: their work refers to all of this
    WorkQueue following_;
};

// For requests that are no HTTP.
http::Response error_response(int status, const std::string& message);

}  // namespace pila::cluster::api
