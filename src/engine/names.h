// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names of containers: chosen by people or for them.

#include <string>
#include <string_view>

#include "base/result.h"

namespace pila::engine {

// "quiet_lovelace"; with `attempt` > 0 a digit is added, as the plain ones seem to be taken.
std::string random_name(int attempt);
// [a-zA-Z0-9][a-zA-Z0-9_.-]+ ; a leading "/" is dropped.
Result<std::string> checked_name(std::string_view name);

}  // namespace pila::engine
