// SPDX-License-Identifier: Apache-2.0
#pragma once
// tmpcopyup: a tmpfs that starts with what its target held.

#include <cstdint>

#include "base/fd.h"
#include "runtime/plan.h"

namespace pila::runtime::init {

Result<void> mount_with_copy(const MountPlan& mount, FdView target, std::uint64_t flags);

}  // namespace pila::runtime::init
