// SPDX-License-Identifier: Apache-2.0
#include "base/go_pattern.h"

#include <string>

#include <doctest/doctest.h>

using namespace pila;

namespace {

bool matches(std::string_view pattern, std::string_view text) {
    auto compiled = GoPattern::compile(pattern);
    REQUIRE_MESSAGE(compiled.ok(), (compiled ? std::string() : compiled.error().message()));
    return compiled->matches(text);
}

std::string fault(std::string_view pattern) {
    auto compiled = GoPattern::compile(pattern);
    return compiled ? "" : compiled.error().message();
}

}  // namespace

TEST_CASE("patterns of schemas match as Go's do") {
    const char* cron = R"(^(\d+|\*)(/\d+)?(\s+(\d+|\*)(/\d+)?){4}$)";
    CHECK(matches(cron, "* * * * */5"));
    CHECK_FALSE(matches(cron, "* * * *"));
    CHECK(matches("b+", "abbc"));
    CHECK_FALSE(matches("^b", "ab"));
    CHECK_FALSE(matches("a$", "a\n"));
    CHECK(matches("", ""));
    CHECK(matches("^$", ""));
    CHECK(matches("^(foo|ba[rz])$", "baz"));
    CHECK_FALSE(matches("^(foo|ba[rz])$", "bar2"));
    CHECK(matches("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "my-name"));
    CHECK_FALSE(matches("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "my-"));
    CHECK(matches("^a{2,3}$", "aaa"));
    CHECK_FALSE(matches("^a{2,3}$", "aaaa"));
    CHECK(matches("^a{2,}$", "aaaaa"));
    CHECK(matches("^a{x}$", "a{x}"));
    CHECK(matches("^[^/]+$", "caf\u00e9"));
    CHECK(matches("^.$", "\u00e9"));
    CHECK(matches("(?i)^abc$", "aBC"));
    CHECK(matches("^(?i:a)b$", "Ab"));
    CHECK_FALSE(matches("^(?i:a)b$", "AB"));
    CHECK(matches("^(?P<name>x)(?:y)$", "xy"));
    CHECK(matches("^[[:alpha:]_]+$", "a_B"));
    CHECK(matches(R"(\bword\b)", "a word."));
    CHECK_FALSE(matches(R"(\bword\b)", "swords"));
    CHECK(matches(R"(^[\w.\-]+@[\x41-\x5a\x{61}-z]+$)", "a.b-c@Xy"));
    CHECK(matches(R"(^\Qa.b\E$)", "a.b"));
    CHECK_FALSE(matches(R"(^\Qa.b\E$)", "axb"));
    CHECK(matches("(?m)^b$", "a\nb\nc"));
    CHECK(matches("^[]a]$", "]"));
    CHECK(matches("^a|b$", "xb"));
}

TEST_CASE("no pattern takes long") {
    std::string text(5'000, 'a');
    CHECK_FALSE(matches("^(a+)+b$", text));
    CHECK_FALSE(matches("(a*)*(a*)*c", text));
    CHECK(fault("((((){1000}){1000}){1000}){1000}").starts_with("error parsing regexp: expression too large"));
    CHECK(fault("((a{1000}){1000})") == "error parsing regexp: expression too large: `((a{1000}){1000})`");
}

TEST_CASE("what is no pattern is refused as Go refuses it") {
    CHECK(fault("(") == "error parsing regexp: missing closing ): `(`");
    CHECK(fault("a)") == "error parsing regexp: unexpected ): `a)`");
    CHECK(fault("*a") == "error parsing regexp: missing argument to repetition operator: `*`");
    CHECK(fault("a**") == "error parsing regexp: invalid nested repetition operator: `*`");
    CHECK(fault("[a") == "error parsing regexp: missing closing ]: `[a`");
    CHECK(fault("[z-a]") == "error parsing regexp: invalid character class range: `z-a`");
    CHECK(fault("\\y") == "error parsing regexp: invalid escape sequence: `\\y`");
    CHECK(fault("a{1001}") == "error parsing regexp: invalid repeat count: `{1001}`");
    CHECK(fault("(?=a)").starts_with("error parsing regexp: invalid or unsupported Perl syntax"));
    CHECK(fault(std::string(500, '(')).starts_with("error parsing regexp: expression nests too deeply"));
    CHECK_FALSE(fault("a\\").empty());
}
