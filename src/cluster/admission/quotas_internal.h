// SPDX-License-Identifier: Apache-2.0
#pragma once
// ResourceQuota: what a namespace may have of everything. An object is charged to the status of each quota that it
// concerns before it is written, one at a time in a namespace; namespaces without quotas pass without a lock. Deletions
// are not charged: the controller has what is used counted anew. Threads: any.

#include <list>
#include <memory>
#include <string>

#include <boost/json/object.hpp>

#include "base/keyed_lock.h"
#include "base/mutex.h"
#include "cluster/admission/admission.h"
#include "cluster/admission/lookup_internal.h"
#include "cluster/admission/usage_internal.h"

namespace pila::cluster::admission {

class Quotas {
public:
    Quotas(state::State& state, Admission::WriteStatus write_status)
        : lookup_(state), write_status_(std::move(write_status)) {}

    // The controller writes a quota's status, and what is used is filled in here: the stored objects, and those that
    // were charged and are about to be stored. A charge that comes in between makes that write a conflict.
    void complete(const Request& request, json::object& object);
    Verdict charge(const Request& request, const json::object& object, std::unique_ptr<Charge>& charge);

private:
    class Held;
    // Charged, not known to be written.
    struct Pending {
        std::string key, revision;  // of the object that it replaces; "": it is new
        json::object object;
        Amounts added;
    };
    using Entry = std::list<Pending>::iterator;

    Verdict judge(const json::object& quota, const Pending& pending, bool& is_charged) const;
    Verdict put(const std::string& space, const std::string& name, const Pending& pending, bool& is_charged) const;
    void take_back(const std::string& space, const std::string& name, const Amounts& added) const;
    Amounts count(const json::object& quota, const std::string& space) const;
    void count(const json::object& quota, const std::string& space, const std::string& collection, Amounts& used) const;

    const Lookup lookup_;
    const Admission::WriteStatus write_status_;
    KeyedLock locks_;  // by namespace; before mutex_
    mutable Mutex mutex_;
    std::list<Pending> pending_ GUARDED_BY(mutex_);
};

}  // namespace pila::cluster::admission
