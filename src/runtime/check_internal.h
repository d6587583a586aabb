// SPDX-License-Identifier: Apache-2.0
#pragma once
// Mistakes in a plan that would otherwise hit the host or show as a puzzling error of a late step.

#include <cstddef>

#include "runtime/plan.h"

namespace pila::runtime {

Result<void> check_plan(const Plan& plan, std::size_t received_fds);
// Below /proc/sys. As sysctl(8) has it: the first separator decides what "." and "/" mean.
std::string sysctl_path(std::string_view name);
// May this sysctl be set for a container with these namespaces, without changing the host's?
bool sysctl_is_namespaced(const Plan& plan, std::string_view name);

}  // namespace pila::runtime
