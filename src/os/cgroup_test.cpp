// SPDX-License-Identifier: Apache-2.0
#include "os/cgroup.h"

#include <doctest/doctest.h>

#include "os/capability.h"
#include "os/file.h"
#include "os/spawn.h"

using namespace pila;
using os::CgroupMode;

TEST_CASE("the cgroup layout is read from mountinfo: version 1, hybrid, version 2, none") {
    auto hybrid = os::parse_cgroup_layout(
        "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:5 - cgroup cgroup rw,cpu,cpuacct\n"
        "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "90 31 0:32 /docker/x /mnt/again\\040here rw - cgroup cgroup rw,memory\n"
        "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    CHECK(hybrid.mode == CgroupMode::V1);
    REQUIRE(hybrid.hierarchies.size() == 3);
    REQUIRE(hybrid.find("cpuacct"));
    CHECK(hybrid.find("cpuacct")->mount_point == "/sys/fs/cgroup/cpu,cpuacct");
    CHECK(hybrid.find("memory")->mount_point == "/sys/fs/cgroup/memory");
    CHECK(hybrid.find("pids") == nullptr);

    auto systemd_only = os::parse_cgroup_layout(
        "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    CHECK(systemd_only.mode == CgroupMode::V2);
    CHECK(systemd_only.find("anything")->mount_point == "/sys/fs/cgroup/unified");

    auto unified = os::parse_cgroup_layout("30 23 0:26 / /a\\040b rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    CHECK(unified.mode == CgroupMode::V2);
    CHECK(unified.hierarchies.at(0).mount_point == "/a b");
    CHECK(os::parse_cgroup_layout("22 27 0:21 / /proc rw - proc proc rw\n").mode == CgroupMode::None);
    CHECK(os::parse_cgroup_layout("garbage - cgroup2\n - \n\\9").mode == CgroupMode::None);
}

TEST_CASE("a group knows its directory in each hierarchy it uses") {
    auto layout = os::parse_cgroup_layout(
        "32 31 0:29 / /g/cpu rw - cgroup cgroup rw,cpu,cpuacct\n35 31 0:32 / /g/memory rw - cgroup cgroup rw,memory\n");
    os::Cgroup group(layout, "/pila/x", {"memory"});
    CHECK(group.directory("memory") == "/g/memory/pila/x");
    CHECK(group.directory("cpu").empty());
    CHECK(!os::Cgroup().valid());
    CHECK(!group.write("cpu", "cpu.shares", "2"));
}

TEST_CASE("capabilities by name and number") {
    CHECK(os::capability_by_name("CAP_CHOWN") == 0);
    CHECK(os::capability_by_name("net_admin") == 12);
    CHECK(os::capability_by_name("cap_checkpoint_restore") == 40);
    CHECK(!os::capability_by_name("CAP_"));
    CHECK(!os::capability_by_name("CAP_FLY"));
    CHECK(os::capability_name(21) == "CAP_SYS_ADMIN");
    CHECK(os::capability_name(64).empty());
    CHECK(os::last_capability() >= 37);
    CHECK(os::capabilities());
}

TEST_CASE("a program is born in the cgroup that is named") {
    auto layout = os::probe_cgroup_layout();
    auto text = os::read_file("/proc/self/mountinfo", 1 << 20);
    auto at = text ? text->find(" - cgroup2 ") : std::string::npos;
    if (at == std::string::npos) return;
    auto line_start = text->rfind('\n', at) + 1;
    auto only = os::parse_cgroup_layout(text->substr(line_start, text->find('\n', at) - line_start + 1));
    os::Cgroup group(only, "/pila-spawn-test", {});
    if (!group.create()) {
        MESSAGE("skipped: needs root");
        return;
    }
    auto directory = group.directory_fd();
    REQUIRE(directory);
    os::Spawn what;
    what.exe = "/bin/grep";
    what.argv = {"grep", "-q", "^0::/pila-spawn-test", "/proc/self/cgroup"};
    what.cgroup = *directory;
    auto child = os::spawn(what);
    REQUIRE(child);
    CHECK(os::wait_child(child->pidfd, 5000)->code == 0);
    CHECK(group.remove());
}
