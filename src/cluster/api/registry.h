// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one path that every kind takes, built in or custom: create, get, update, patch, delete, with everything that
// clients rely on (optimistic concurrency, generations, finalizers, dry runs, managed fields, subresources). What a
// kind adds is its schema and its lines in cluster/kinds. Threads: any.

#include <atomic>
#include <functional>

#include <boost/json/fwd.hpp>

#include "cluster/admission/admission.h"
#include "cluster/api/call.h"
#include "cluster/api/service_addresses.h"
#include "cluster/api/status.h"
#include "cluster/codec/codec.h"
#include "cluster/state/state.h"

namespace pila::cluster::webhooks {
class Webhooks;
}

namespace pila::cluster::api {

enum class PatchType : std::uint8_t { Json, Merge, Strategic, Apply };

struct DeleteOptions {
    std::string uid, resource_version;  // preconditions
    std::string propagation;            // Background, Foreground, Orphan; "": the kind's own
    std::optional<std::int64_t> grace_seconds;
};

struct Written {
    state::ObjectPointer object;
    bool is_created = false;
    bool is_gone = false;  // a deletion left nothing
};

// Definitions of kinds change what is served: their writes pass through here (directory.h).
class DefinitionWrites {
public:
    using Store = std::function<Outcome<Written>(const json::object& object)>;
    virtual Outcome<Written> write(Call& call, const json::object& object, const Store& store) = 0;
    virtual Outcome<Written> erase(const Call& call, const std::function<Outcome<Written>()>& erase) = 0;
    // An object that finalizers held is gone.
    virtual void freed(const schema::Kind& kind) = 0;

protected:
    ~DefinitionWrites() = default;
};
bool is_definition(const schema::Kind& kind);

class Registry {
public:
    explicit Registry(state::State& state, DefinitionWrites* definitions = nullptr)
        : state_(state), definitions_(definitions), addresses_(state) {}

    // Looks at every new object and every change before it is validated, may complete it or refuse it. `before` is
    // null for a new one, which may not have its name yet. One after the other; before the first request.
    using Gate = std::function<Outcome<void>(Call& call, json::object& object, const json::object* before)>;
    void add_gate(Gate gate) { gates_.push_back(std::move(gate)); }
    // Has the last word on an object that is valid and has its name. What it charges is kept once the write is done.
    using Check = std::function<Outcome<std::unique_ptr<admission::Charge>>(Call& call, const json::object& object,
                                                                            const json::object* before)>;
    void set_check(Check check) { check_ = std::move(check); }

    // Asked about every write and deletion, after the gates. Null: none.
    void set_webhooks(const webhooks::Webhooks* webhooks) { webhooks_ = webhooks; }

    state::State& state() { return state_; }
    Outcome<state::ObjectPointer> get(const Call& call) const;
    // `object` is what the body said, before it was fitted; `faults` what the reader noticed.
    Outcome<Written> create(Call& call, json::value object, codec::Faults faults);
    Outcome<Written> update(Call& call, json::value object, codec::Faults faults);
    Outcome<Written> patch(Call& call, PatchType type, const json::value& patch, bool force, codec::Faults faults);
    Outcome<Written> remove(Call& call, const DeleteOptions& options);

    // A change that no client could make: `change` alone judges it, and is asked again after somebody else's write.
    Outcome<void> alter(Call& call, const std::function<Outcome<void>(json::object& object)>& change);
    // A namespace whose objects are gone loses its finalizer, and goes.
    Outcome<void> finish_namespace(const std::string& name);
    // A definition whose objects are gone loses its finalizer, and goes, unless others hold it.
    Outcome<void> finish_definition(const std::string& name);
    // Writes a definition as it is, so that its status is found anew.
    Outcome<void> look_at_definition(const std::string& name);

    // Deleted, and still there: by what the object says, not by a word somewhere in it.
    static bool is_going(const state::Object& object);

private:
    static constexpr int max_attempts =
        1000;  // of a change that others' writes get in the way of: each time one succeeds

    // What is to become of the live object (null: there is none). Asked again after somebody else's write.
    using Change = std::function<Outcome<json::value>(const json::value& live)>;

    // Who set which field: found by comparison, or known already (apply).
    enum class Tracking : std::uint8_t { Compare, Done };

    Outcome<Written> change(Call& call, bool may_create, bool retry, Tracking tracking, const Change& change);
    Outcome<void> fit(Call& call, json::value& object, codec::Faults& faults) const;
    Outcome<void> check_namespace(const Call& call, std::string_view name) const;
    Outcome<Written> store_new(Call& call, json::value& object, Tracking tracking);
    Outcome<Written> store_change(Call& call, const state::Object& live, const json::value& before, json::value& after,
                                  Tracking tracking);
    Outcome<void> pass_gates(Call& call, json::object& object, const json::object* before) const;
    Outcome<Written> write_checked(Call& call, const json::object& object, const json::object* before,
                                   state::Revision expect);
    Outcome<Written> write(Call& call, const json::object& object, state::Revision expect, bool is_created);
    Outcome<Written> store(const Call& call, const json::object& object, state::Revision expect, bool is_created);
    Outcome<Written> erase(const Call& call, const state::Object& live);
    Outcome<Written> erase_now(const Call& call, const state::Object& live);
    Outcome<json::value> read(const Call& call, const state::Object& object) const;
    // registry_webhooks.cpp
    Outcome<void> ask_to_mutate(Call& call, json::value& object, const json::object* before) const;
    Outcome<void> ask_to_validate(Call& call, const json::object& object, const json::object* before) const;
    Outcome<void> ask_to_delete(Call& call, const json::object& before) const;

    state::State& state_;
    DefinitionWrites* const definitions_;
    std::vector<Gate> gates_;
    Check check_;
    std::atomic<const webhooks::Webhooks*> webhooks_{nullptr};
    ServiceAddresses addresses_;
};

}  // namespace pila::cluster::api
