// SPDX-License-Identifier: Apache-2.0
#pragma once
// What nearly every verb's file needs.

#include <fmt/core.h>
#include <cstdio>

#include "cli/api.h"
#include "cli/cli.h"
#include "cli/flags.h"

namespace pila::cli {

// Connects, and refuses flags that the daemon is too old for.
Result<std::unique_ptr<Api>> connect(const Invocation& invocation, const Flags& flags);

// "Are you sure you want to continue? [y/N] " on a terminal or pipe: true for y, Y.
bool confirm(std::string_view warning);

}  // namespace pila::cli
