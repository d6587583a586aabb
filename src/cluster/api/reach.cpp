// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/reach.h"

#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/api/pod_parts.h"
#include "cluster/kinds/kinds.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::api {

// Clients see only what this subresource is about: `status` alone, or all but that.
static void keep_other_half(json::object& object, const json::object& live, const Call& call) {
    bool of_status = call.subresource == "status" || call.subresource == "approval";
    if (!of_status && !call.kind.find_subresource("status")) return;
    if (!of_status) return kinds::take(object, live, "status");
    json::object changed(live, object.storage());
    kinds::take(changed, object, "status");
    kinds::prepare_for_status(changed, live, call.kind);
    if (const auto* metadata = kinds::object_at(object, "metadata"); metadata && metadata->contains("managedFields"))
        kinds::take(meta(changed), *metadata, "managedFields");
    object = std::move(changed);
}

void keep_out_of_reach(json::object& object, const json::object& live, const Call& call) {
    keep_metadata(object, live);
    keep_other_half(object, live, call);
    if (is_of_pod_part(call)) keep_all_but_part(object, live, call);
}

}  // namespace pila::cluster::api
