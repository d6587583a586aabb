// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a cluster has to say of objects beyond their kind: what they lack because of other objects (accounts, classes,
// ranges), and what policies of a namespace refuse (limits, quotas, levels of security). In the words and the order of
// kube-apiserver's admission plug-ins. Knows neither requests nor who may do what. Threads: any.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/fwd.hpp>

#include "cluster/admission/verdict.h"
#include "cluster/schema/schema.h"
#include "cluster/state/state.h"

namespace pila::cluster::admission {

namespace json = boost::json;

struct Request {
    const schema::Kind& kind;
    std::string name_space;   // "": it has none
    std::string name;         // or what the name begins with
    std::string subresource;  // "": none
    std::string user;
    bool is_dry_run = false;
    const json::object* before = nullptr;  // null: it is new
    std::vector<std::string> warnings;     // out

    bool is_new() const { return before == nullptr; }
    bool is(std::string_view group, std::string_view kind_name) const {
        return kind.name == kind_name && kind.group_version.group == group;
    }
};

// What an admitted object counts for in quotas, until its write is done. Given back at its end unless it was kept.
class Charge {
public:
    virtual ~Charge() = default;
    virtual void keep() = 0;
};

class Quotas;

class Admission {
public:
    // Writes the status of an object, as any client does: Conflict (409) unless it is as it was read.
    using WriteStatus = std::function<Verdict(const schema::Kind& kind, const json::object& object)>;

    Admission(state::State& state, WriteStatus write_status);
    ~Admission();

    // Before an object is validated: fills in what is missing, refuses what cannot be completed.
    Verdict complete(Request& request, json::object& object) const;
    // Of a valid object that is about to be written. `charge` may stay null.
    Verdict check(Request& request, const json::object& object, std::unique_ptr<Charge>& charge) const;

private:
    state::State& state_;
    const std::unique_ptr<Quotas> quotas_;
};

// Objects that are always there: the two classes of priority of the system.
std::vector<std::string> standing_objects();

}  // namespace pila::cluster::admission
