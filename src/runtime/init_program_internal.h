// SPDX-License-Identifier: Apache-2.0
#pragma once
// Finding and executing the program, inside the container and as its user.

#include <string>
#include <vector>

#include "runtime/plan.h"

namespace pila::runtime::init {

// args[0] as execvp would find it; errors worded as Docker's users know them.
Result<std::string> find_program(const ProcessPlan& process);
// With HOME from the container's /etc/passwd if it is not set.
std::vector<std::string> environment_with_home(const ProcessPlan& process);
// Only returns if exec fails. init_exe >= 0: executed instead, with the program as its arguments.
Error execute(const ProcessPlan& process, const std::string& program, const std::vector<std::string>& environment,
              int init_exe);

}  // namespace pila::runtime::init
