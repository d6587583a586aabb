// SPDX-License-Identifier: Apache-2.0
#include "engine/user_remap.h"

#include <doctest/doctest.h>
#include <fcntl.h>

#include "os/file.h"

using namespace pila;
using namespace pila::engine;

static AccountFiles accounts() {
    return {"root:x:0:0:root:/root:/bin/sh\ndockremap:x:998:997::/:/bin/false\nada:x:1000:1000::/home/ada:/bin/sh\n",
            "root:x:0:\ndockremap:x:997:\nada:x:1000:\nstaff:x:50:ada\n",
            "dockremap:300000:65536\nada:100000:65536\nstaff:1:1\nada:200000:1000\n",
            "dockremap:300000:65536\n1000:100000:65536\nstaff:400000:65536\n"};
}

TEST_CASE("whose subordinate ids a setting means") {
    CHECK(parse_user_remap("", accounts())->map.empty());
    auto standard = parse_user_remap("default", accounts());
    REQUIRE(standard);
    CHECK(standard->user == "dockremap");
    CHECK(os::to_outside(standard->map.users, 0) == 300000);
    CHECK(os::to_outside(standard->map.groups, 65535) == 365535);
    CHECK_FALSE(os::to_outside(standard->map.users, 65536));

    auto ada = parse_user_remap("1000:staff", accounts());
    REQUIRE(ada);
    CHECK(ada->user == "ada");
    CHECK(ada->group == "staff");
    CHECK(ada->map.users.size() == 2);  // one behind the other
    CHECK(os::to_outside(ada->map.users, 65536) == 200000);
    CHECK(os::to_inside(ada->map.users, 200999) == 66535);
    CHECK_FALSE(os::to_inside(ada->map.users, 0));
    CHECK(os::to_outside(ada->map.groups, 1) == 400001);
    CHECK(parse_user_remap("ada", accounts())->map.groups[0].outside == 100000);  // by number in subgid
}

TEST_CASE("what is wrong with a setting") {
    auto text_of = [](std::string_view setting, const AccountFiles& files) {
        auto parsed = parse_user_remap(setting, files);
        return parsed ? std::string("fine") : parsed.error().message();
    };
    CHECK(text_of("a:b:c", accounts()) == "invalid user/group specification in --userns-remap: \"a:b:c\"");
    CHECK(text_of(":", accounts()).starts_with("invalid user/group"));
    CHECK(text_of("bob", accounts()) == "user bob has no entry in /etc/passwd");
    CHECK(text_of("1000:77", accounts()) == "gid 77 has no entry in /etc/group");
    CHECK(parse_user_remap("root", accounts())->map.empty());
    auto without = accounts();
    without.subuid.clear();
    CHECK(text_of("ada", without).starts_with("no ranges found for \"ada\" in /etc/subuid; add a line"));
    CHECK(text_of("default", {"", "", "", ""}).find("useradd --system") != std::string::npos);
    auto broken = accounts();
    broken.subuid = "ada:4294967290:65536\n";
    CHECK(text_of("ada", broken).starts_with("/etc/subuid: line"));
    broken.subuid = "ada:0:10\n";
    CHECK(text_of("ada", broken) == "/etc/subuid: a range that holds the id 0");
}

TEST_CASE("ids without a map are the same everywhere") {
    CHECK(os::to_outside({}, 7) == 7);
    CHECK(os::to_inside({}, 7) == 7);
    auto self = os::open("/proc/self", O_PATH | O_DIRECTORY);
    REQUIRE(self);
    CHECK(map_of_process(*self).ok());
}
