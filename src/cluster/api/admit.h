// SPDX-License-Identifier: Apache-2.0
#pragma once
// Admission (cluster/admission) as gates of the registry: its requests are calls, its refusals Status objects.

#include "cluster/admission/admission.h"
#include "cluster/api/registry.h"

namespace pila::cluster::api {

class Admit {
public:
    // From now on every write of the registry passes here; it must outlive the last one.
    explicit Admit(Registry& registry);

private:
    admission::Verdict write_status(const schema::Kind& kind, const json::object& object) const;

    Registry& registry_;
    const admission::Admission admission_;
};

// Before the first request: objects that are always there.
Result<void> ensure_standing_objects(Registry& registry);

}  // namespace pila::cluster::api
