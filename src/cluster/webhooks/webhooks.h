// SPDX-License-Identifier: Apache-2.0
#pragma once
// Web services that people put before the storage: asked to complete or to refuse what is written (MutatingWebhook- and
// ValidatingWebhookConfiguration of admissionregistration.k8s.io/v1). Whoever has been told that a configuration is
// stored, is judged by it. Threads: any; a call holds its caller's.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/json/fwd.hpp>

#include "base/context.h"
#include "base/mutex.h"
#include "base/published.h"
#include "cluster/access/user.h"
#include "cluster/schema/schema.h"
#include "cluster/state/state.h"

namespace pila::cluster::webhooks {

namespace json = boost::json;

class Hook;
enum class Operation : std::uint8_t { Create, Update, Delete };

// What is to happen, as the services are told.
struct Request {
    Operation operation = Operation::Create;
    const schema::Kind& kind;
    std::string name_space, name, subresource;
    const access::User& user;
    bool dry_run = false;
    Context context;
    std::vector<std::string>& warnings;  // out: what they want the client to see
};

// Why a request goes no further; the parts of a Status.
struct Refusal {
    int code = 400;
    std::string reason, message;
};

class Webhooks {
public:
    explicit Webhooks(state::State& state);
    ~Webhooks();
    Webhooks(const Webhooks&) = delete;
    Webhooks& operator=(const Webhooks&) = delete;

    // Whether anybody wants to see anything: costs nothing if nobody has configured a webhook.
    bool any() const;

    // One after another, each sees what those before it changed; `object` is null for a deletion. `complete` runs after
    // each change and makes an object of what a service has left (defaults, unknown fields). A refusal leaves `object`
    // somewhere in between.
    using Complete = std::function<std::optional<Refusal>(json::value& object)>;
    std::optional<Refusal> mutate(const Request& request, json::value& object, const json::object* before,
                                  const Complete& complete) const;
    // All at once.
    std::optional<Refusal> validate(const Request& request, const json::object* object,
                                    const json::object* before) const;

private:
    struct Table;
    std::shared_ptr<const Table> table() const;
    std::optional<Refusal> ask_to_mutate(const Hook& hook, const Request& request, json::value& object,
                                         const json::object* before, bool& changed) const;

    state::State& state_;
    // How often the configurations were written, and as of which of these times the table is.
    std::shared_ptr<std::atomic<std::uint64_t>> written_;
    mutable std::atomic<std::uint64_t> read_{0};
    mutable Mutex reading_;
    mutable std::vector<std::unique_ptr<state::Watch>> watches_ GUARDED_BY(reading_);
    mutable std::atomic<bool> any_{false};  // in the table
    mutable Published<Table> table_;
};

}  // namespace pila::cluster::webhooks
