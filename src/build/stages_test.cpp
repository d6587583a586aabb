// SPDX-License-Identifier: Apache-2.0
#include "build/stages.h"

#include <doctest/doctest.h>

#include "build/arguments.h"
#include "build/files.h"
#include "build/mounts.h"
#include "image/instructions.h"

using namespace pila;
using namespace pila::build;

static std::string error_of(std::string_view text) {
    auto recipe = parse_recipe(text);
    return recipe ? std::string() : recipe.error().message();
}

TEST_CASE("a Dockerfile becomes stages") {
    auto recipe = parse_recipe(
        "# syntax=docker/dockerfile:1\n# escape=`\n\nARG A=1\nFROM --platform=linux/amd64 base:$A AS Builder\n"
        "RUN one `\n  # comment\n  two\nfrom scratch\nCOPY --from=builder /a /b\n");
    REQUIRE(recipe);
    CHECK(recipe->escape == '`');
    REQUIRE(recipe->arguments.size() == 1);
    REQUIRE(recipe->stages.size() == 2);
    CHECK(recipe->stages[0].name == "builder");
    CHECK(recipe->stages[0].platform == "linux/amd64");
    CHECK(recipe->stages[0].steps[0].rest == "one   two");
    CHECK(recipe->stages[0].steps[0].line == 6);
    CHECK(*recipe->stages[1].steps[0].flag("from") == "builder");
    CHECK(recipe->find("BUILDER") == 0);
    CHECK(recipe->find("1") == 1);
    CHECK_FALSE(recipe->find("1", 1));
    CHECK_FALSE(recipe->find("other"));
    CHECK_FALSE(recipe->find_name("0", 2));
}

TEST_CASE("what is wrong is told with its line") {
    CHECK(error_of("FROM a\n\n# c\nFOO x") == "dockerfile parse error line 4: unknown instruction: FOO");
    CHECK(error_of("FROM a\nRUN <<E\nx\n") == "dockerfile parse error line 2: unterminated heredoc");
    CHECK(error_of("FROM a\nCOPY --link=maybe a b") ==
          "dockerfile parse error line 2: Expecting boolean value for flag link, not: maybe");
    CHECK(error_of("FROM a\nRUN --mount true") == "dockerfile parse error line 2: Missing a value on flag: mount");
    CHECK(error_of("# escape=x\nFROM a").starts_with("dockerfile parse error line 1: invalid ESCAPE"));
    CHECK(error_of("RUN x") == "no build stage in current context");
    CHECK(error_of("") == "file with no instructions");
    CHECK(error_of("FROM a\nENV \xff=1") == "the Dockerfile is not valid UTF-8");
    CHECK(error_of("FROM a\nENV --a=1 --a=2 b=c").find("Duplicate flag") != std::string::npos);
    CHECK(error_of("FROM a\nRUN --mount=type=tmpfs,target=/a --mount=type=tmpfs,target=/b true").empty());
}

TEST_CASE("here-documents") {
    auto recipe = parse_recipe(
        "FROM a\nRUN <<-ONE cat 3<<'TWO'\n\tx\n\tONE\n$y\nTWO\nCOPY <<a <<b /d/\n1\na\n2\nb\nRUN echo 1<2\n");
    REQUIRE(recipe);
    const auto& steps = recipe->stages[0].steps;
    REQUIRE(steps.size() == 3);
    REQUIRE(steps[0].heredocs.size() == 2);
    CHECK(steps[0].heredocs[0].text() == "x\n");
    CHECK(steps[0].heredocs[0].expand);
    CHECK(steps[0].heredocs[1].content == "$y\n");
    CHECK_FALSE(steps[0].heredocs[1].expand);
    CHECK(steps[1].heredocs[1].content == "2\n");
    CHECK(steps[2].heredocs.empty());
}

TEST_CASE("variables in words") {
    image::Variables variables = [](std::string_view name) -> std::optional<std::string> {
        if (name == "x") return "foobarbar";
        if (name == "empty") return "";
        return std::nullopt;
    };
    auto expand = [&](std::string_view word) {
        auto expanded = image::expand_word(word, variables);
        return expanded ? *expanded : "error: " + expanded.error().message();
    };
    CHECK(expand("${x#f*b}") == "arbar");
    CHECK(expand("${x##f*b}") == "ar");
    CHECK(expand("${x%b*}") == "foobar");
    CHECK(expand("${x%%b*}") == "foo");
    CHECK(expand("${x/bar/-}") == "foo-bar");
    CHECK(expand("${x//bar/-}") == "foo--");
    CHECK(expand("${x//bar}") == "foo");
    CHECK(expand("${none-a}${empty-b}${empty:-c}") == "ac");
    CHECK(expand("${none+a}${empty+b}${empty:+c}") == "b");
    CHECK(expand("${none:-${x:+deep}}") == "deep");
    CHECK(expand("'$x'\"$empty\"\\$x") == "$x$x");
    CHECK(expand("${none:?gone}") == "error: failed to process \"${none:?gone}\": none: gone");
    CHECK(expand("${x") == "error: failed to process \"${x\": missing ':' in substitution");
    CHECK(*image::expand_text("'$x' \\$x \"\n", variables) == "'foobarbar' $x \"\n");
}

TEST_CASE("arguments") {
    Arguments arguments({{"given", "1"}, {"bare", std::nullopt}, {"stray", "x"}, {"HTTP_PROXY", "p"}},
                        {"linux", "arm64", "v8"});
    auto declare = [&](std::string rest) {
        image::Instruction argument;
        argument.upper = "ARG";
        argument.rest = std::move(rest);
        REQUIRE(arguments.declare_global(argument, '\\'));
    };
    declare("given=0");
    declare("other=$given");
    CHECK(arguments.global("given") == "1");
    CHECK(arguments.global("other") == "1");
    CHECK(arguments.global("TARGETARCH") == "arm64");
    CHECK(arguments.value("other", std::nullopt) == "1");
    CHECK(arguments.value("other", "mine") == "mine");
    CHECK(arguments.value("bare", "fallback") == "fallback");
    CHECK(arguments.unused() == std::vector<std::string>{"stray"});
    CHECK(arguments.proxies() == std::vector<std::string>{"HTTP_PROXY=p"});
}

TEST_CASE("platforms") {
    CHECK(parse_platform("linux/ARM64/v8")->text() == "linux/arm64");
    CHECK(parse_platform("aarch64")->architecture == "arm64");
    CHECK(parse_platform("linux/arm/v7")->text() == "linux/arm/v7");
    CHECK_FALSE(parse_platform("windows/amd64"));
    CHECK_FALSE(parse_platform("foo"));
}

TEST_CASE("mounts of RUN") {
    auto cache = parse_mount("type=cache,target=/c,sharing=locked,uid=5,mode=0700");
    REQUIRE(cache);
    CHECK(cache->type == RunMount::Type::Cache);
    CHECK(cache->id == "/c");
    CHECK_FALSE(cache->read_only);
    CHECK(cache->mode == 0700);
    auto bind = parse_mount("target=/src");
    REQUIRE(bind);
    CHECK(bind->read_only);
    CHECK_FALSE(parse_mount("type=bind,target=/x,rw")->read_only);
    CHECK(parse_mount("type=tmpfs,target=/t,size=2m")->size == 2U << 20);
    CHECK(parse_mount("type=secret,id=key")->target == "/run/secrets/key");
    CHECK(parse_mount("type=secret,target=/etc/key")->id == "key");
    for (auto wrong : {"type=cache", "type=ssh", "type=other,target=/x", "target=/x,sharing=no", "target=/x,foo=1",
                       "type=tmpfs,target=/x,size=-1", "type=bind,target=/x,size=1"})
        CHECK_MESSAGE(!parse_mount(wrong), wrong);
}

TEST_CASE("modes of --chmod") {
    auto apply = [](std::string_view text, mode_t mode, bool directory = false) {
        auto change = ModeChange::parse(text);
        return change ? static_cast<int>(change->apply(mode, directory)) : -1;
    };
    CHECK(apply("755", 0600) == 0755);
    CHECK(apply("u+x,go-w", 0666) == 0744);
    CHECK(apply("a=r", 0777) == 0444);
    CHECK(apply("u=rwX,go=rX", 0600) == 0644);
    CHECK(apply("u=rwX,go=rX", 0600, true) == 0755);
    CHECK(apply("g+s", 0755) == 02755);
    CHECK(apply("99", 0) == -1);
    CHECK(apply("u?x", 0) == -1);
}
