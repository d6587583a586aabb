// SPDX-License-Identifier: Apache-2.0
#pragma once
// Hooks of a bundle (OCI runtime specification, "POSIX-platform Hooks"): programs with the container's state as input.

#include <sys/types.h>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/plan.h"

namespace pila::runtime {

// The specification's "State" as JSON in one line. pid 0: none.
std::string state_text(const Plan& plan, std::string_view status, pid_t pid);

// In order, each to its end; the first that fails ends it. What they print is told in the error only.
Result<void> run_hooks(const std::vector<HookPlan>& hooks, std::string_view kind, const std::string& state);
// As far as possible, failures told on standard error.
void run_hooks_to_the_last(const std::vector<HookPlan>& hooks, std::string_view kind, const std::string& state);

}  // namespace pila::runtime
