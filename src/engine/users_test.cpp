// SPDX-License-Identifier: Apache-2.0
#include "engine/users.h"

#include <doctest/doctest.h>

using namespace pila::engine;

static constexpr auto passwd = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:33::/var/www:/bin/false\nbad:x:no:0::/:\n";
static constexpr auto group = "root:x:0:\nwww:x:33:\naudio:x:29:www,other\nvideo:x:44:www\n";

TEST_CASE("a name brings its groups and home") {
    auto user = resolve_user("www", passwd, group, {});
    REQUIRE(user);
    CHECK(user->uid == 33);
    CHECK(user->additional_gids == std::vector<std::uint32_t>{33, 29, 44});
    CHECK(user->home == "/var/www");
}

TEST_CASE("an explicit group replaces them") {
    auto user = resolve_user("www:audio", passwd, group, {"44", "audio"});
    REQUIRE(user);
    CHECK(user->gid == 29);
    CHECK(user->additional_gids == std::vector<std::uint32_t>{29, 44});
}

TEST_CASE("numbers need no entry, names do") {
    CHECK(resolve_user("1234:5678", "", "", {})->gid == 5678);
    CHECK(resolve_user("", "", "", {})->home == "/root");
    CHECK_FALSE(resolve_user("nobody-here", passwd, group, {}));
    CHECK_FALSE(resolve_user("bad", passwd, group, {}));
    CHECK_FALSE(resolve_user("0:nothing", passwd, group, {}));
    CHECK_FALSE(resolve_user("99999999999", passwd, group, {}));
}
