// SPDX-License-Identifier: Apache-2.0
#include "cli/wrap.h"

#include <algorithm>

#include "base/text.h"
#include "cli/terminal.h"

namespace pila::cli {

std::string two_columns(const std::vector<std::pair<std::string, std::string>>& lines) {
    std::size_t left_width = 0;
    for (const auto& [left, right] : lines) left_width = std::max(left_width, left.size());
    left_width += 3;
    auto size = terminal_size(1);
    std::size_t total = size && size->columns > 40 ? size->columns - 1 : 79;
    std::size_t right_width = std::max<std::size_t>(total > left_width ? total - left_width : 0, 24);
    std::string text;
    for (const auto& [left, right] : lines) {
        text += left + std::string(left_width - left.size(), ' ');
        std::size_t used = 0;
        for (auto word : split(right, ' ')) {
            if (used != 0 && used + 1 + word.size() > right_width) {
                text += "\n" + std::string(left_width, ' ');
                used = 0;
            } else if (used != 0) {
                text += ' ';
                ++used;
            }
            text += word;
            used += word.size();
        }
        text += '\n';
    }
    return text;
}

}  // namespace pila::cli
