// SPDX-License-Identifier: Apache-2.0
#pragma once
// All containers of the engine: found by id, unique id prefix, or name; names reserved; records in the node store.
// Keys: "container/ID/spec" (identity, name, asked-for settings), "container/ID/state"; "container/ID/set" while it is
// being changed. Threads: any.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "engine/container.h"
#include "store/store.h"

namespace pila::engine {

class ContainerTable {
public:
    explicit ContainerTable(store::Store& store) : store_(store) {}

    Result<void> load();  // from the store, once, at start; a damaged record is reported and set aside, not fatal

    // Holds the name for `id` until release_name or add. Conflict in Docker's words if it is taken.
    Result<void> reserve_name(const std::string& name, const std::string& id);
    void release_name(const std::string& name, const std::string& id);

    Result<void> add(ContainerPointer container);     // stored, then visible; its name is reserved already
    Result<void> remove(const Container& container);  // record, name and all
    // A container that was removed meanwhile stays so: nothing is written then.
    Result<void> save_spec(const Container& container);
    Result<void> save_state(const Container& container);
    // Both, and what others keep of it, in one go.
    Result<void> save(const Container& container, std::vector<store::Change> others);
    // What is under way with a container, for a daemon that is started after this one was killed ("": nothing).
    Result<void> save_intent(const Container& container, const std::string& text);
    std::string intent(const Container& container) const;

    // NotFound: "No such container: NAME".
    Result<ContainerPointer> find(std::string_view name_or_id) const;
    ContainerPointer by_id(const std::string& id) const;  // nullptr if unknown
    std::vector<ContainerPointer> list() const;           // newest first

private:
    store::Store& store_;
    Mutex writing_;  // over a write to the store, before mutex_: a save must not come after the removal
    mutable Mutex mutex_;
    std::map<std::string, ContainerPointer, std::less<>> by_id_ GUARDED_BY(mutex_);
    std::map<std::string, std::string, std::less<>> id_of_name_ GUARDED_BY(mutex_);
};

}  // namespace pila::engine
