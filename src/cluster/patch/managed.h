// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who set which field (metadata.managedFields), and server-side apply on top of it.

#include "cluster/patch/field_set.h"

namespace pila::cluster::patch {

struct Writer {
    std::string manager;      // fieldManager, or the User-Agent up to its first "/"
    std::string api_version;  // of the request: "apps/v1"
    std::string subresource;  // "", "status", "scale"
    std::string now;          // RFC 3339, seconds, UTC
};

// After a write that is no apply: what differs between `before` (null: it was created) and `after` belongs to the
// writer; what is no more there belongs to nobody. At most 10 Update entries stay, the oldest are united as
// "ancient-changes". Changes only after's metadata.managedFields. managedFields that a client sent count (but not to a
// subresource): an empty list resets, none or broken ones leave what was there. An object that was reset is tracked
// again from the next apply on. Invalid: `after` has no metadata.
Result<void> track_update(const json::value& before, json::value& after, const schema::Node& node,
                          const Writer& writer);

struct ApplyConflict {
    std::string manager, api_version, field;  // ".spec.replicas"
    std::string subresource;
    bool operation_is_apply = false;

    std::string who() const;      // `"M" with subresource "status" using apps/v1`; an applier's has no "using"
    std::string message() const;  // of the Status' cause: `conflict with "M" using apps/v1`
};

// Merges `configuration` (no defaults filled in, no nulls of fields that cannot be null) into `live` (null: makes it)
// for the writer. Conflict: the error's text is as kubectl expects it, `conflicts` has the causes; `live` is as it was.
// Invalid: managedFields in the configuration, another apiVersion, duplicate list items, ...
// `live` is the answer, without defaults for what is new. If nothing but managedFields' times would change, it is left
// as it was. Entries of other API versions are compared path by path, without conversion.
Result<void> apply(json::value& live, const json::value& configuration, const schema::Node& node, const Writer& writer,
                   bool force, std::vector<ApplyConflict>& conflicts);

}  // namespace pila::cluster::patch
