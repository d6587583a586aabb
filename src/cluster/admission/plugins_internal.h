// SPDX-License-Identifier: Apache-2.0
#pragma once
// The plug-ins: one file each, listed in their order by admission.cpp.

#include <boost/json/object.hpp>

#include "cluster/admission/admission.h"
#include "cluster/admission/lookup_internal.h"

namespace pila::cluster::admission {

using Complete = Verdict (*)(Request& request, json::object& object, const Lookup& lookup);
using Check = Verdict (*)(Request& request, const json::object& object, const Lookup& lookup);

// limit_ranger.cpp
Verdict complete_limits(Request& request, json::object& object, const Lookup& lookup);
Verdict check_limits(Request& request, const json::object& object, const Lookup& lookup);
// service_account.cpp
Verdict complete_account(Request& request, json::object& object, const Lookup& lookup);
Verdict check_account(Request& request, const json::object& object, const Lookup& lookup);
// pod_security.cpp
Verdict check_security(Request& request, const json::object& object, const Lookup& lookup);
// priority.cpp
Verdict complete_priority(Request& request, json::object& object, const Lookup& lookup);
Verdict check_priority_class(Request& request, const json::object& object, const Lookup& lookup);
// tolerations.cpp
Verdict complete_tolerations(Request& request, json::object& object, const Lookup& lookup);
// storage.cpp
Verdict complete_storage_class(Request& request, json::object& object, const Lookup& lookup);
Verdict complete_protection(Request& request, json::object& object, const Lookup& lookup);
Verdict check_claim_resize(Request& request, const json::object& object, const Lookup& lookup);
// runtime_class.cpp
Verdict complete_runtime_class(Request& request, json::object& object, const Lookup& lookup);
Verdict check_overhead(Request& request, const json::object& object, const Lookup& lookup);
// ingress_class.cpp
Verdict complete_ingress_class(Request& request, json::object& object, const Lookup& lookup);

inline bool is_new_pod(const Request& request) {
    return request.is("", "Pod") && request.is_new() && request.subresource.empty();
}
inline bool is_resize(const Request& request) { return request.is("", "Pod") && request.subresource == "resize"; }
// "spec" of an object, or an empty one.
const json::object& spec_of(const json::object& object);
json::object& spec_of(json::object& object);

}  // namespace pila::cluster::admission
