// SPDX-License-Identifier: Apache-2.0
#pragma once
// One line of comma-separated values with quoted fields, as Go's encoding/csv reads it (docker's long flag values).

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila::cli {

Result<std::vector<std::string>> split_csv(std::string_view text);

}  // namespace pila::cli
