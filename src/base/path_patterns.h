// SPDX-License-Identifier: Apache-2.0
#pragma once
// Patterns of paths as Go's path.Match and Docker's .dockerignore have them. Matching takes time in proportion to the
// two lengths, whatever the pattern.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace pila {

// "*" and "?" stop at "/", "[a-z]", "[^a]", "\x" is a plain x. DoubleStar: "**" is any number of directories.
class PathPattern {
public:
    enum class DoubleStar : std::uint8_t { No, Yes };
    static Result<PathPattern> compile(std::string_view text, DoubleStar double_star);  // Invalid: "syntax error in..."
    bool matches(std::string_view path) const;                                          // the whole of it

private:
    struct Token {
        enum class Kind : std::uint8_t { Plain, Any, Class, Star, Everything, Directories } kind;
        char plain = 0;
        bool negated = false;
        std::vector<std::pair<char, char>> ranges;
        bool takes(char c) const;
    };
    std::vector<Token> tokens_;
};

bool has_wildcards(std::string_view path);  // of the source of a COPY: "*", "?", "["

// A list whose last match decides; "!pattern" takes back. What is below a matching directory matches.
class IgnorePatterns {
public:
    // Lines of a .dockerignore: comments, blank lines, leading slashes.
    static Result<IgnorePatterns> parse(std::string_view file);
    static Result<IgnorePatterns> compile(const std::vector<std::string>& patterns);

    bool empty() const { return rules_.empty(); }
    bool ignores(std::string_view path) const;  // relative, clean
    // Nothing below an ignored directory can be wanted.
    bool has_exceptions() const { return exceptions_; }

private:
    struct Rule {
        PathPattern pattern;
        bool exception = false;
    };
    std::vector<Rule> rules_;
    bool exceptions_ = false;
};

// "./a//b/../c" -> "a/c", "" -> ".", "/x" -> "/x": Go's path.Clean.
std::string clean_path_text(std::string_view path);

}  // namespace pila
