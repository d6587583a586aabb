// SPDX-License-Identifier: Apache-2.0
#include "base/path_patterns.h"

#include <doctest/doctest.h>

using namespace pila;

static bool matches(std::string_view pattern, std::string_view path,
                    PathPattern::DoubleStar stars = PathPattern::DoubleStar::Yes) {
    auto compiled = PathPattern::compile(pattern, stars);
    REQUIRE(compiled);
    return compiled->matches(path);
}

TEST_CASE("patterns of one path") {
    CHECK(matches("a*", "abc"));
    CHECK_FALSE(matches("a*", "ab/c"));
    CHECK(matches("*/b", "a/b"));
    CHECK(matches("a?c", "abc"));
    CHECK_FALSE(matches("a?c", "a/c"));
    CHECK(matches("[a-c]x", "bx"));
    CHECK_FALSE(matches("[^a-c]x", "bx"));
    CHECK(matches("\\*", "*"));
    CHECK_FALSE(matches("\\*", "a"));
    CHECK_FALSE(PathPattern::compile("[", PathPattern::DoubleStar::No));
    CHECK_FALSE(PathPattern::compile("[a", PathPattern::DoubleStar::No));
    CHECK_FALSE(PathPattern::compile("a\\", PathPattern::DoubleStar::No));
    CHECK_FALSE(matches("**", "a/b", PathPattern::DoubleStar::No));
}

TEST_CASE("any number of directories") {
    for (auto path : {"a", "b/a", "b/c/a"}) CHECK(matches("**/a", path));
    CHECK_FALSE(matches("**/a", "ba"));
    CHECK_FALSE(matches("**/a", "a/b"));
    CHECK(matches("**", "a/b/c"));
    CHECK(matches("a/**", "a/b/c"));
    CHECK_FALSE(matches("a/**", "b/c"));
    CHECK(matches("a/**/b", "a/b"));
    CHECK(matches("a/**/b", "a/x/y/b"));
    CHECK_FALSE(matches("a/**/b", "a/xb"));
    CHECK(matches("**/*.go", "x/y.go"));
    CHECK(matches("**/**/a", "a"));
    CHECK_FALSE(matches(std::string(200, '*') + "b", std::string(2000, 'a')));
}

TEST_CASE(".dockerignore") {
    auto list =
        IgnorePatterns::parse("# comment\n\n /build \n*.md\n!README.md\nnode_modules\n**/*.tmp\n!keep/**/*.tmp\n");
    REQUIRE(list);
    CHECK(list->has_exceptions());
    for (auto path : {"build", "build/x/y", "a.md", "node_modules/a/b", "x/y/z.tmp", "z.tmp"})
        CHECK_MESSAGE(list->ignores(path), path);
    for (auto path : {"README.md", "a", "sub/a.md", "sub/build", "keep/a/b.tmp", "#"})
        CHECK_MESSAGE(!list->ignores(path), path);
    // The last one counts.
    auto later = IgnorePatterns::parse("*\n!a\na/b\n");
    CHECK(later->ignores("x"));
    CHECK_FALSE(later->ignores("a/c"));
    CHECK(later->ignores("a/b"));
    CHECK_FALSE(IgnorePatterns::parse("!\n"));
    CHECK_FALSE(IgnorePatterns::parse("[\n"));
}

TEST_CASE("paths made clean") {
    CHECK(clean_path_text("./a//b/../c/") == "a/c");
    CHECK(clean_path_text("") == ".");
    CHECK(clean_path_text("../../a") == "../../a");
    CHECK(clean_path_text("/../a/") == "/a");
    CHECK(clean_path_text("a/..") == ".");
}
