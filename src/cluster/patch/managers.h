// SPDX-License-Identifier: Apache-2.0
#pragma once
// The entries of metadata.managedFields.

#include "cluster/patch/managed.h"
#include "cluster/patch/tree.h"

namespace pila::cluster::patch {

struct Manager {
    std::string name, api_version, subresource, time;
    bool applies = false;  // operation Apply, or Update
    FieldSet set;

    // One entry per manager, operation and subresource, of updates per API version, too.
    bool is_same(const Manager& other) const;
    std::string identity() const;  // by which upstream sorts
};

using Managers = std::vector<Manager>;

// nullopt: broken. No list, or an empty one, is no managers.
std::optional<Managers> read_managers(const json::value* managed_fields);
// The same, broken being none.
Managers managers_of(const json::value& object);
const json::value* managed_fields_of(const json::value& object);
// An empty list, or one of one empty entry: forget what was there.
bool is_reset(const json::value* managed_fields);

// Sorted as upstream does. Without managers there is no managedFields. False: the object has no metadata.
bool write_managers(json::value& object, Managers managers);

Manager* find_same(Managers& managers, const Manager& wanted);
void drop_empty(Managers& managers);
// At most 10 Update entries: the oldest of each API version become "ancient-changes".
void cap_updates(Managers& managers);

}  // namespace pila::cluster::patch
