// SPDX-License-Identifier: Apache-2.0
#include "runtime/exec_cgroup_internal.h"

#include <doctest/doctest.h>

#include "runtime/systemd_limits_internal.h"

using namespace pila;
using namespace pila::runtime;

TEST_CASE("exec --cgroup: one path for all controllers, or some with paths of their own") {
    CHECK(parse_sub_groups({})->empty());
    CHECK(*parse_sub_groups({"a/b/"}) == SubGroups{{"", "/a/b"}});
    CHECK(*parse_sub_groups({"/"}) == SubGroups{{"", ""}});
    CHECK(*parse_sub_groups({"memory:a", "cpu,pids:/b"}) == SubGroups{{"memory", "/a"}, {"cpu", "/b"}, {"pids", "/b"}});
    CHECK(*parse_sub_groups({"name=systemd:a"}) == SubGroups{{"name=systemd", "/a"}});
}

TEST_CASE("exec --cgroup: what has no meaning, or leads out of the container's group, is refused") {
    for (std::vector<std::string> options : {std::vector<std::string>{"a", "b"},
                                             {"memory:a", "b"},
                                             {"memory:a:b"},
                                             {",memory:a"},
                                             {":a"},
                                             {"memory:a", "memory:b"},
                                             {"memory,memory:a"},
                                             {"../x"},
                                             {"a/../../x"},
                                             {"memory:.."},
                                             {"memory:/../x"}}) {
        auto parsed = parse_sub_groups(options);
        REQUIRE_MESSAGE(!parsed.ok(), options[0]);
        CHECK(parsed.error().code() == Errc::Invalid);
    }
}

TEST_CASE("a list of processors as systemd's bits") {
    using Bits = std::vector<std::uint8_t>;
    CHECK(systemd::bits_of_list("0") == Bits{1});
    CHECK(systemd::bits_of_list("0-2,8") == Bits{7, 1});
    CHECK(systemd::bits_of_list("15\n") == Bits{0, 128});
    for (auto wrong : {"", "x", "2-1", "1-", "-1", "99999", "0,,1", "0-18446744073709551615"})
        CHECK_MESSAGE(systemd::bits_of_list(wrong).empty(), wrong);
}
