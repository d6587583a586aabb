// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one path that every kind takes, built in or custom: create, get, update, patch, delete, with everything that
// clients rely on (optimistic concurrency, generations, finalizers, dry runs, managed fields, subresources). What a
// kind adds is its schema and its lines in cluster/kinds. Threads: any.

#include <boost/json/fwd.hpp>

#include "cluster/api/call.h"
#include "cluster/api/service_addresses.h"
#include "cluster/api/status.h"
#include "cluster/codec/codec.h"
#include "cluster/state/state.h"

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

class Registry {
public:
    explicit Registry(state::State& state) : state_(state), addresses_(state) {}

    Outcome<state::ObjectPointer> get(const Call& call) const;
    // `object` is what the body said, before it was fitted; `faults` what the reader noticed.
    Outcome<Written> create(Call& call, json::value object, codec::Faults faults);
    Outcome<Written> update(Call& call, json::value object, codec::Faults faults);
    Outcome<Written> patch(Call& call, PatchType type, const json::value& patch, bool force, codec::Faults faults);
    Outcome<Written> remove(Call& call, const DeleteOptions& options);

    // A namespace whose objects are gone loses its finalizer, and goes.
    Outcome<void> finish_namespace(const std::string& name);

    state::State& state() const { return state_; }

private:
    // What is to become of the live object (null: there is none). Asked again after somebody else's write.
    using Change = std::function<Outcome<json::value>(const json::value& live)>;

    // Who set which field: found by comparison, or known already (apply).
    enum class Tracking : std::uint8_t { Compare, Done };

    Outcome<Written> change(Call& call, bool may_create, bool retry, Tracking tracking, const Change& change);
    Outcome<void> fit(Call& call, json::value& object, codec::Faults& faults) const;
    Outcome<void> check_namespace(const Call& call) const;
    Outcome<Written> store_new(Call& call, json::value& object, Tracking tracking);
    Outcome<Written> store_change(Call& call, const state::Object& live, const json::value& before, json::value& after,
                                  Tracking tracking);
    Outcome<Written> write(const Call& call, const json::object& object, state::Revision expect, bool is_created);
    Outcome<Written> erase(const Call& call, const state::Object& live);
    Outcome<json::value> read(const Call& call, const state::Object& object) const;

    state::State& state_;
    ServiceAddresses addresses_;
};

}  // namespace pila::cluster::api
