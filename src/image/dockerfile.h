// SPDX-License-Identifier: Apache-2.0
#pragma once
// The syntax of Dockerfiles, for builds and for `commit -c`: directives, lines and continuations, here-documents,
// flags, JSON lists, words with quotes, $variables.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace pila::image {

struct Heredoc {
    std::string name, content;
    bool expand = true;  // its name was not quoted
    bool chomp = false;  // <<-: tabs at the beginning of lines go
    std::string text() const;
};

struct Instruction {
    std::string name;                                                       // as written
    std::string upper;                                                      // "ENV"
    std::vector<std::pair<std::string, std::optional<std::string>>> flags;  // --name[=value], in order
    std::string rest;                                                       // what follows, trimmed
    std::string original;
    std::size_t line = 0;  // of the file, from 1
    std::vector<Heredoc> heredocs;

    const std::string* flag(std::string_view name) const;  // nullptr: not given, or without a value
    bool has_flag(std::string_view name) const;
};

struct Dockerfile {
    std::vector<Instruction> instructions;
    char escape = '\\';
};

// A whole file. Invalid: what is wrong, in which line.
Result<Dockerfile> parse_dockerfile(std::string_view text);
// Without directives and here-documents, as `commit -c` and ONBUILD have them. Comments and blank lines are left out,
// continued lines joined. Invalid: "file with no instructions".
Result<std::vector<Instruction>> parse_instructions(std::string_view text, char escape = '\\');
// Of an ONBUILD trigger, which may have here-documents that its own instruction was given.
Result<Instruction> parse_trigger(std::string_view text, char escape);

// ["a", "b"]: nullopt if it is not JSON at all (then it is a shell command); Invalid if its items are not strings.
Result<std::optional<std::vector<std::string>>> parse_json_list(std::string_view text);

// Split at white space, quotes and escapes still in place.
std::vector<std::string> parse_words(std::string_view text, char escape = '\\');

// name=value pairs, or the old form "name value with spaces". `instruction` is for the error.
Result<std::vector<std::pair<std::string, std::string>>> parse_pairs(std::string_view text,
                                                                     std::string_view instruction, char escape = '\\');

// Value of a variable, nullopt if it is not set.
using Variables = std::function<std::optional<std::string>(std::string_view name)>;
// Quotes and escapes resolved, $name, ${name} replaced; ${name:-word}, ${name:+word}, ${name:?word} and the same
// without the colon; ${name#pattern}, ##, %, %%, ${name/pattern/word}, //.
Result<std::string> expand_word(std::string_view word, const Variables& variables, char escape = '\\');
// The same, and what variables bring in is split at white space.
Result<std::vector<std::string>> expand_words(std::string_view word, const Variables& variables, char escape = '\\');
// Variables alone, and the escape before a dollar: the text of a here-document.
Result<std::string> expand_text(std::string_view text, const Variables& variables, char escape = '\\');

// Go's time.ParseDuration: "1h30m", "1.5s", "100ms"; in nanoseconds.
Result<std::int64_t> parse_duration(std::string_view text);

}  // namespace pila::image
