// SPDX-License-Identifier: Apache-2.0
#pragma once
// The syntax of Dockerfile instructions, as far as a build and `commit -c` share it: lines and continuations, flags,
// JSON lists, words with quotes, $variables.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pila::image {

struct Instruction {
    std::string name;                                                       // as written
    std::string upper;                                                      // "ENV"
    std::vector<std::pair<std::string, std::optional<std::string>>> flags;  // --name[=value], in order
    std::string rest;                                                       // what follows, trimmed
    std::string original;
};

// Comments and blank lines are left out, continued lines joined. Invalid: "file with no instructions".
Result<std::vector<Instruction>> parse_instructions(std::string_view text);

// ["a", "b"]: nullopt if it is not JSON at all (then it is a shell command); Invalid if its items are not strings.
Result<std::optional<std::vector<std::string>>> parse_json_list(std::string_view text);

// Split at white space, quotes and escapes still in place.
std::vector<std::string> parse_words(std::string_view text);

// name=value pairs, or the old form "name value with spaces". `instruction` is for the error.
Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(std::string_view text,
                                                                     std::string_view instruction);

// Value of a variable, nullopt if it is not set.
using Variables = std::function<std::optional<std::string>(std::string_view name)>;
// Quotes and escapes resolved, $name, ${name}, ${name:-word}, ${name:+word}, ${name:?word} replaced.
Result<std::string> expand_word(std::string_view word, const Variables& variables);
// The same, and what variables bring in is split at white space.
Result<std::vector<std::string>> expand_words(std::string_view word, const Variables& variables);

// Go's time.ParseDuration: "1h30m", "1.5s", "100ms"; in nanoseconds.
Result<std::int64_t> parse_duration(std::string_view text);

}  // namespace pila::image
