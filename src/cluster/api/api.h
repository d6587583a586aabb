// SPDX-License-Identifier: Apache-2.0
#pragma once
// The Kubernetes API (v1.33) over the cluster's objects: who asks, what they may, and then the one path of the
// registry. Source: Kubernetes API conventions and what kubectl 1.27 to 1.33 send. Threads: any; one call per request.

#include <memory>
#include <string>

#include "cluster/api/registry.h"
#include "cluster/api/request.h"
#include "cluster/api/watch_stream.h"
#include "cluster/discovery/documents.h"
#include "http/message.h"

namespace pila::cluster::api {

struct ApiOptions {
    std::string version;  // of pila
    std::string address;  // HOST:PORT, as clients reach it
};

class Api {
public:
    Api(state::State& state, ApiOptions options);
    ~Api();
    Api(const Api&) = delete;
    Api& operator=(const Api&) = delete;

    // The namespaces that are always there.
    Result<void> start();
    // For those who write beside the clients: controllers.
    Registry& registry() { return registry_; }
    // Never throws, never fails: errors are Status objects.
    http::Response handle(http::Request& request);

private:
    Outcome<http::Response> answer(http::Request& request, std::vector<std::string>& warnings);
    Outcome<http::Response> answer_path(http::Request& request, const RequestInfo& info) const;
    Outcome<http::Response> answer_document(http::Request& request) const;
    Outcome<http::Response> answer_health(const http::Request& request) const;
    Outcome<http::Response> answer_metrics() const;
    Outcome<http::Response> answer_resource(http::Request& request, const RequestInfo& info, const User& user,
                                            std::vector<std::string>& warnings);
    Outcome<http::Response> list(http::Request& request, const RequestInfo& info, const schema::Kind& kind);
    Outcome<http::Response> watch(http::Request& request, const RequestInfo& info, const schema::Kind& kind);
    Outcome<http::Response> remove(http::Request& request, Call& call);
    Outcome<http::Response> remove_all(http::Request& request, Call& call);
    Outcome<http::Response> write(http::Request& request, Call& call, const RequestInfo& info);
    const schema::Kind* find_kind(const RequestInfo& info) const;

    const ApiOptions options_;
    state::State& state_;
    Registry registry_;
    std::unique_ptr<discovery::Documents> documents_;
    TimerQueue timers_;
    WorkQueue work_;
};

// For requests that are no HTTP.
http::Response error_response(int status, const std::string& message);

}  // namespace pila::cluster::api
