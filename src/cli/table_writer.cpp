// SPDX-License-Identifier: Apache-2.0
#include "cli/table_writer.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace pila::cli {

namespace {

std::size_t runes(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

using Line = std::vector<std::string_view>;

// widths[line][column] for the lines from..to, whose column number `column` has the same block.
void measure(const std::vector<Line>& lines, std::vector<std::vector<std::size_t>>& widths, std::size_t minimum,
             std::size_t padding) {
    for (std::size_t line = 0; line < lines.size(); ++line) {
        for (std::size_t column = widths[line].size(); column + 1 < lines[line].size(); ++column) {
            std::size_t width = minimum, end = line;
            for (; end < lines.size() && column + 1 < lines[end].size() && widths[end].size() == column; ++end)
                width = std::max(width, runes(lines[end][column]) + padding);
            for (auto i = line; i < end; ++i) widths[i].push_back(width);
        }
    }
}

}  // namespace

std::string align_columns(std::string_view text, std::size_t minimum_width, std::size_t padding) {
    std::vector<Line> lines;
    for (auto line : split(text, '\n')) lines.push_back(split(line, '\t'));
    std::vector<std::vector<std::size_t>> widths(lines.size());
    measure(lines, widths, minimum_width, padding);
    std::string out;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        for (std::size_t column = 0; column < lines[i].size(); ++column) {
            out += lines[i][column];
            if (column + 1 < lines[i].size()) out.append(widths[i][column] - runes(lines[i][column]), ' ');
        }
        if (i + 1 < lines.size()) out += '\n';
    }
    return out;
}

}  // namespace pila::cli
