// SPDX-License-Identifier: Apache-2.0
#pragma once
// One webhook as its configuration describes it: which requests it is called for, and where it is. Source:
// admissionregistration.k8s.io/v1. Threads: any; nothing changes once it is made, but for its connections.

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "base/mutex.h"
#include "cluster/schema/schema.h"
#include "cluster/state/state.h"
#include "cluster/webhooks/webhooks.h"
#include "http/client.h"

namespace pila::cluster::webhooks {

std::string_view text_of(Operation operation);  // "CREATE"

// What matching looks at. `object` and `before` are null where there is none.
struct Subject {
    Operation operation = Operation::Create;
    const schema::Kind& kind;
    std::string_view name_space, name, subresource;
    const json::object* object = nullptr;
    const json::object* before = nullptr;
};

class Hook {
public:
    // An element of `webhooks` with its defaults in place.
    explicit Hook(const json::object& description);

    const std::string& name() const { return name_; }
    bool is_vital() const { return is_vital_; }  // what it was to say cannot be done without
    bool may_be_asked_again() const { return may_be_asked_again_; }
    std::string_view review_version() const { return review_version_; }
    std::chrono::seconds timeout() const { return timeout_; }

    bool matches(const Subject& subject, const state::State& state) const;

    // The body of its answer. An error says, as kube-apiserver does, what was tried: `Post "https://...": ...`.
    Result<std::string> post(const state::State& state, const Context& context, const std::string& body) const;

private:
    struct Rule {
        std::vector<std::string> operations, groups, versions, resources;
        std::string scope;
        bool matches(const Subject& subject, bool exact) const;
    };
    struct Service {
        std::string name_space, name, path;
        std::int64_t port = 443;
    };
    struct Place {
        http::Endpoint endpoint;
        std::string url;  // as errors name it
    };

    bool selects_namespace(const Subject& subject, const state::State& state) const;
    bool selects_object(const Subject& subject) const;
    Result<Place> place(const state::State& state) const;
    Result<std::string> exchange(http::Client& client, const Place& place, const Context& context,
                                 const std::string& body) const;
    std::unique_ptr<http::Client> take_idle(const http::Endpoint& endpoint) const;

    std::string name_, review_version_;
    bool is_vital_ = true, is_exact_ = false, may_be_asked_again_ = false;
    std::chrono::seconds timeout_{10};
    std::vector<Rule> rules_;
    json::object spaces_, objects_;  // metav1.LabelSelector; empty: all
    std::string url_, authorities_;
    Service service_;

    struct Idle {
        std::string host;
        std::uint16_t port = 0;
        std::unique_ptr<http::Client> client;
    };
    mutable Mutex mutex_;
    mutable std::vector<Idle> idle_ GUARDED_BY(mutex_);  // connections kept for the next call
};

using HookPointer = std::shared_ptr<const Hook>;

}  // namespace pila::cluster::webhooks
