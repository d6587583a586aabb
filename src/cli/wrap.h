// SPDX-License-Identifier: Apache-2.0
#pragma once
// Help texts in two columns, wrapped at the terminal's width (80 when there is none).

#include <string>
#include <utility>
#include <vector>

namespace pila::cli {

std::string two_columns(const std::vector<std::pair<std::string, std::string>>& lines);

}  // namespace pila::cli
