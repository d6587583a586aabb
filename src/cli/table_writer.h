// SPDX-License-Identifier: Apache-2.0
#pragma once
// Aligns tab-separated cells as Go's text/tabwriter does (minimum width 10 by default, 3 spaces between columns): a
// column lasts as long as consecutive lines have a cell there that a tab ends.

#include <string>
#include <string_view>

namespace pila::cli {

std::string align_columns(std::string_view text, std::size_t minimum_width = 10, std::size_t padding = 3);

}  // namespace pila::cli
