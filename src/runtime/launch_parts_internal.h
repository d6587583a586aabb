// SPDX-License-Identifier: Apache-2.0
#pragma once
// Steps of a launch that the parent takes.

#include <sys/types.h>
#include <cstdint>
#include <vector>

#include "base/fd.h"
#include "runtime/launch_internal.h"
#include "runtime/plan.h"

namespace pila::runtime {

// As clone(2) returns; `cgroup`: to be born in (v2), or none.
pid_t clone_process(std::uint64_t flags, const Fd& cgroup, int& pidfd);
// What is new is to belong to a user namespace that exists: made from within it, by a process on the way that shares
// our descriptors and leaves the child to us.
// `space`: a namespace, or a process whose namespaces of the kinds in `entered` (CLONE_NEW*) are meant.
Result<pid_t> clone_within(FdView space, int entered, std::uint64_t flags, const Fd& cgroup, int& pidfd);

// Of a new user namespace. Without root: one's own id alone can be mapped, for more there are newuidmap(1) and
// newgidmap(1) with what /etc/subuid and /etc/subgid allow.
Result<void> write_maps(const Plan& plan, pid_t pid);

// Of plan.mounts, where they are bind mounts. Opened by the parent, since root of a user namespace has no rights to
// what is between "/" and them; and with the propagation that they have here. Without the right to: none, the child
// tries.
Result<std::vector<Fd>> open_bind_sources(const LaunchInput& input);

// What root of a user namespace may not do for a process inside: raise its limits, spare it when memory is short, give
// it the pipes that we made.
bool sets_limits(const Plan& plan);
void set_with_our_rights(const Plan& plan, const ProcessPlan& process, const Stdio& stdio, pid_t pid);

}  // namespace pila::runtime
