// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who set which field (metadata.managedFields), and server-side apply on top of it.

#include "cluster/patch/field_set.h"

namespace pila::cluster::patch {

struct Writer {
    std::string manager;      // fieldManager, or the User-Agent up to its first "/"
    std::string api_version;  // of the request: "apps/v1"
    std::string subresource;  // "", "status", "scale"
    std::string now;          // RFC 3339, seconds
};

// After a write that is no apply: what differs between `before` (null: it was created) and `after` belongs to the
// writer; what is no more there belongs to nobody. At most 10 Update entries stay, the oldest are united as
// "ancient-changes". Changes only after's metadata.managedFields. managedFields that a client sent: empty list resets,
// broken ones are ignored.
Result<void> track_update(const json::value& before, json::value& after, const schema::Node& node,
                          const Writer& writer);

struct ApplyConflict {
    std::string manager, api_version, field;  // ".spec.replicas"
    std::string subresource, time;  // for the message: `conflict with "M" with subresource "status" using apps/v1`
    bool operation_is_apply = false;
};

// Merges `configuration` into `live` (null: makes it) for the writer. Conflict: the error's text is as kubectl expects
// it, `conflicts` has the causes. Invalid: managedFields in the configuration, duplicate list items, ...
// `live` is the answer. If nothing but managedFields' times would change, it is left as it was.
Result<void> apply(json::value& live, const json::value& configuration, const schema::Node& node, const Writer& writer,
                   bool force, std::vector<ApplyConflict>& conflicts);

}  // namespace pila::cluster::patch
