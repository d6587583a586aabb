// SPDX-License-Identifier: Apache-2.0
#pragma once
// One volume as a row, for volume ls and system df -v.

#include "cli/listing.h"

namespace pila::cli {

Row volume_row(const json::value& volume);
std::vector<Column> volume_columns();

}  // namespace pila::cli
