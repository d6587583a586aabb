// SPDX-License-Identifier: Apache-2.0
#pragma once
// One image of GET /images/json: a row for each of its names.

#include "cli/listing.h"

namespace pila::cli {

enum class Digests : bool { Hide, Show };
std::vector<Row> image_rows(const json::value& image, bool full, Digests digests);
std::vector<Column> image_columns();

}  // namespace pila::cli
