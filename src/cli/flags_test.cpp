// SPDX-License-Identifier: Apache-2.0
#include "cli/flags.h"

#include <doctest/doctest.h>

using namespace pila;
using namespace pila::cli;

namespace {

struct Parsed {
    bool detach = false, tty = false, remove = true;
    std::string name;
    std::vector<std::string> environment, arguments;
    std::int64_t count = 0;
    std::optional<int> code;
};

Parsed parse(std::vector<std::string> arguments, Flags::Order order = Flags::Order::Anywhere, Count count = {}) {
    GlobalOptions global;
    Invocation invocation{global, "test", std::move(arguments)};
    Parsed p;
    Flags flags(invocation, "[OPTIONS]", "", order);
    flags.add({{"detach", 'd', &p.detach, ""},
               {"tty", 't', &p.tty, ""},
               {"rm", 0, &p.remove, ""},
               {"name", 0, &p.name, ""},
               {"env", 'e', &p.environment, ""},
               {"count", 'c', &p.count, ""}});
    p.code = flags.parse(count);
    p.arguments = flags.arguments();
    return p;
}

}  // namespace

TEST_CASE("flags in docker's forms") {
    auto p = parse({"-dt", "--rm=false", "-eA=1", "-e", "B=2", "--env=C=3", "--name", "x", "-c=5", "rest"});
    CHECK_FALSE(p.code);
    CHECK(p.detach);
    CHECK(p.tty);
    CHECK_FALSE(p.remove);
    CHECK(p.environment == std::vector<std::string>{"A=1", "B=2", "C=3"});
    CHECK(p.name == "x");
    CHECK(p.count == 5);
    CHECK(p.arguments == std::vector<std::string>{"rest"});
}

TEST_CASE("flags may follow arguments unless they belong to the command") {
    CHECK(parse({"image", "-d"}).detach);
    auto p = parse({"-t", "image", "-d", "--", "x"}, Flags::Order::BeforeArguments);
    CHECK_FALSE(p.detach);
    CHECK(p.arguments == std::vector<std::string>{"image", "-d", "--", "x"});
    CHECK(parse({"--", "-d"}).arguments == std::vector<std::string>{"-d"});
    CHECK(parse({"-"}).arguments == std::vector<std::string>{"-"});
}

TEST_CASE("mistakes end with 125, a wrong number of arguments with 1") {
    CHECK(parse({"--nope"}).code == 125);
    CHECK(parse({"-x"}).code == 125);
    CHECK(parse({"--name"}).code == 125);
    CHECK(parse({"-c", "many"}).code == 125);
    CHECK(parse({"--rm=perhaps"}).code == 125);
    CHECK(parse({"a"}, Flags::Order::Anywhere, {0, 0}).code == 1);
    CHECK(parse({}, Flags::Order::Anywhere, {.least = 1}).code == 1);
    CHECK_FALSE(parse({"a", "b"}, Flags::Order::Anywhere, {1, 2}).code);
}
