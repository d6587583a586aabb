// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the containers' control groups are, and the removal of those that nobody looks after any more. In ordinary
// life a container's shim makes and removes them.
//
// The parent group is also what tells two daemons of one instance name apart, anywhere on the machine (they may sit in
// different network and mount namespaces): this holds a lock on its directory. Without the right to make groups there
// is neither.

#include <functional>
#include <string>

#include "engine/resources.h"
#include "os/cgroup.h"

namespace pila::engine {

class ControlGroups {
public:
    // `parent`: path below the root of each hierarchy, with its slash: "/pila". Conflict: another daemon has it.
    static Result<ControlGroups> create(std::string parent);

    // Of a container. `parent`: its own CgroupParent, "" for the daemon's; never leads above the root.
    std::string path(const std::string& id, std::string_view parent) const;
    os::Cgroup group(const std::string& id, std::string_view parent) const;
    const HostLimits& limits() const { return limits_; }
    // For a container whose shim was killed: ends what still runs in its group. Nothing to do is fine.
    void clear(const std::string& id, std::string_view parent) const;
    // The same for every group that looks like a container's and is not wanted.
    void sweep(const std::function<bool(const std::string& id)>& wanted) const;
    // The last act: the parent itself, unless something is in it, and the lock.
    ~ControlGroups();
    ControlGroups(ControlGroups&&) = default;

private:
    ControlGroups(std::string parent, os::CgroupLayout layout)
        : parent_(std::move(parent)), layout_(std::move(layout)) {}

    std::string parent_;
    os::CgroupLayout layout_;
    HostLimits limits_;
    Fd lock_;
};

}  // namespace pila::engine
