// SPDX-License-Identifier: Apache-2.0
#pragma once
// A pattern between its text and its matching.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/go_pattern.h"

namespace pila {

using CharacterRange = std::pair<char32_t, char32_t>;
using CharacterSet = std::vector<CharacterRange>;  // sorted, apart from each other

enum class Assertion : std::uint8_t { TextStart, TextEnd, LineStart, LineEnd, WordBoundary, NoWordBoundary };

// A tree of what a pattern says; the program is made from it.
struct PatternTree {
    enum class What : std::uint8_t { Empty, Set, Assert, Sequence, Either, Repeat };
    What what = What::Empty;
    CharacterSet set;
    Assertion assertion = Assertion::TextStart;
    std::vector<PatternTree> parts;
    int least = 0, most = -1;  // Repeat; -1: any number
};

struct GoPattern::Program {
    enum class Operation : std::uint8_t { Set, Split, Jump, Assert, Match };
    struct Step {
        Operation operation;
        std::uint32_t first = 0, second = 0;  // Set: index; Split: both ways; Jump: where to; Assert: which
    };
    std::vector<Step> steps;
    std::vector<CharacterSet> sets;
    bool from_start_only = false;  // begins with \A: no use in trying further on
};

Result<PatternTree> parse_go_pattern(std::string_view text);
char32_t next_character(std::string_view text, std::size_t& at);

}  // namespace pila
