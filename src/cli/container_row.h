// SPDX-License-Identifier: Apache-2.0
#pragma once
// One container of GET /containers/json as a row, for ps and system df -v.

#include "cli/listing.h"

namespace pila::cli {

Row container_row(const json::value& container, bool full);
std::vector<Column> container_columns();

}  // namespace pila::cli
