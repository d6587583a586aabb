// SPDX-License-Identifier: Apache-2.0
#pragma once
// Objects as one controller reads and writes them: through the registry, as anybody else, under a name of its own.
// Conflicts come back to the caller, who looks again. Threads: any.

#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include "cluster/api/registry.h"

namespace pila::cluster::controllers {

namespace json = boost::json;
using api::Outcome;
using state::ObjectPointer;

class Client {
public:
    // `controller`: "deployment-controller", a service account of kube-system.
    Client(api::Registry& registry, const std::string& controller);

    static Outcome<json::object> read(const state::Object& object);

    Outcome<json::object> get(const schema::Kind& kind, const std::string& space, const std::string& name) const;
    // Of one namespace; "": of all.
    Outcome<std::vector<ObjectPointer>> list(const schema::Kind& kind, std::string_view space) const;

    Outcome<json::object> create(const schema::Kind& kind, json::object object) const;
    // Refused with Conflict if the object is no longer at the revision that it says.
    Outcome<json::object> update(const schema::Kind& kind, json::object object,
                                 std::string_view subresource = "") const;
    Outcome<json::object> update_status(const schema::Kind& kind, json::object object) const {
        return update(kind, std::move(object), "status");
    }
    // A merge patch of an object that is meant as it was read: Conflict if it is another one by now (uid).
    Outcome<json::object> patch(const schema::Kind& kind, const json::object& object, json::object change) const;
    // The same for the list of owners, which a merge patch replaces: only at the revision that was read.
    Outcome<json::object> set_owners(const schema::Kind& kind, const json::object& object, json::array owners) const;
    // Without that finalizer, if it has it: as it is then.
    Outcome<json::object> drop_finalizer(const schema::Kind& kind, const json::object& object,
                                         std::string_view finalizer) const;
    // Success also when it is gone already. Only the object that was read (uid), and perhaps only as it was read.
    enum class Only : std::uint8_t { SameObject, SameRevision };
    Outcome<void> remove(const schema::Kind& kind, const json::object& object,
                         const std::string& propagation = "Background", Only only = Only::SameObject) const;
    // Whether nothing is left; NotFound as it comes.
    Outcome<bool> remove(const schema::Kind& kind, const std::string& space, const std::string& name,
                         const api::DeleteOptions& options) const;

private:
    api::Call call(const schema::Kind& kind, std::string_view space, std::string_view name) const;

    api::Registry& registry_;
    const api::User user_;
};

// A failure that the next look at the object may well mend: somebody else wrote in between.
bool is_conflict(const api::Status& status);
bool is_not_found(const api::Status& status);

}  // namespace pila::cluster::controllers
