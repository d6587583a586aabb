// SPDX-License-Identifier: Apache-2.0
#include "engine/process_list.h"

#include <unistd.h>

#include <doctest/doctest.h>

using namespace pila;
using namespace pila::engine;

TEST_CASE("of a table of processes the wanted lines are kept, the command with its spaces in one cell") {
    auto list = parse_process_table("UID   PID CMD\nroot    7 sleep 10\nroot   70 sh -c  x\n\n", {70, 8});
    REQUIRE(list);
    CHECK(list->titles == std::vector<std::string>{"UID", "PID", "CMD"});
    REQUIRE(list->processes.size() == 1);
    CHECK(list->processes[0] == std::vector<std::string>{"root", "70", "sh -c x"});
}

TEST_CASE("threads follow their process, short lines do not break the table") {
    auto list = parse_process_table("PID LWP CMD\n7 - a\n- 7 -\n8 - b\n- 8 -\n7\n", {7});
    REQUIRE(list);
    REQUIRE(list->processes.size() == 3);
    CHECK(list->processes[1] == std::vector<std::string>{"-", "7", "-"});
    CHECK(list->processes[2] == std::vector<std::string>{"7", "", ""});
}

TEST_CASE("output without process ids is refused") {
    CHECK(parse_process_table("CMD\nsleep\n", {1}).error().message() == "Couldn't find PID field in ps output");
    CHECK(!parse_process_table("", {1}));
    CHECK(!parse_process_table("PID CMD\nx y\n", {1}));
}

TEST_CASE("another column cannot call itself PID") {
    CHECK(check_ps_arguments("-ef"));
    CHECK(check_ps_arguments("-o pid=PID,cmd"));
    CHECK(check_ps_arguments("-o ppid= PID").error().message() == "specifying \"ppid=PID\" is not allowed");
    CHECK(!check_ps_arguments("ax -o cmd=PID"));
}

TEST_CASE("the machine's ps shows this very process") {
    auto list = list_processes("-o pid,comm", {::getpid()});
    if (!list) {
        MESSAGE("skipped: " << list.error().message());
        return;
    }
    REQUIRE(list->processes.size() == 1);
    CHECK(list->processes[0][0] == std::to_string(::getpid()));
    CHECK(list_processes("--forest", {::getpid()}));
    CHECK(list_processes("-Q", {::getpid()}).error().message() == "ps: error: unsupported SysV option");
}
