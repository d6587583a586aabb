// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci_internal.h"

#include <sys/mount.h>
#include <sys/resource.h>

#include <doctest/doctest.h>

using namespace pila;
using namespace pila::runtime;

TEST_CASE("the example configuration becomes a plan") {
    auto plan = oci::plan_of_config(oci::example_config(false, 0, 0), "/bundle");
    REQUIRE_MESSAGE(plan, (plan ? "" : plan.error().message()));
    CHECK(plan->root_path == "/bundle/rootfs");
    CHECK(plan->root_readonly);
    CHECK(plan->process.terminal);
    CHECK(plan->process.no_new_privileges);
    CHECK(plan->process.capabilities.bounding == (1ULL << 29 | 1ULL << 5 | 1ULL << 10));
    REQUIRE(plan->process.rlimits.size() == 1);
    CHECK(plan->process.rlimits[0].resource == RLIMIT_NOFILE);
    CHECK(plan->namespaces.size() == 6);
    CHECK(plan->mounts.size() == 7);
    CHECK(plan->mounts[1].data == "mode=755,size=65536k");
    CHECK(plan->mounts[1].flags == (MS_NOSUID | MS_STRICTATIME));
    CHECK(plan->devices.size() == 6);
    CHECK(!plan->resources.devices.front().allow);
    CHECK(!plan->masked_paths.empty());
    auto rootless = oci::plan_of_config(oci::example_config(true, 1000, 1000), "/bundle");
    REQUIRE(rootless);
    CHECK(rootless->uid_mappings.at(0).host_id == 1000);
    CHECK(rootless->mounts.back().flags == (MS_BIND | MS_REC | MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY));
}

TEST_CASE("everything else that a configuration may say") {
    auto plan = oci::plan_of_config(R"({"ociVersion":"1.0.2","root":{"path":"/abs"},"hostname":"h","domainname":"d",
        "process":{"args":["a","b"],"env":["A=1"],"cwd":"/w","user":{"uid":5,"gid":6,"umask":18,"additionalGids":[7,8]},"oomScoreAdj":-10,
                   "consoleSize":{"height":24,"width":80},"apparmorProfile":"p","selinuxLabel":"l"},
        "mounts":[{"destination":"/m","type":"bind","source":"rel","options":["rbind","rro","rslave"]},
                  {"destination":"t","type":"tmpfs","options":["tmpcopyup","size=1k"]}],
        "linux":{"namespaces":[{"type":"mount"},{"type":"network","path":"/p"}],"cgroupsPath":"/x/y","rootfsPropagation":"rslave",
          "devices":[{"path":"/dev/fuse","type":"c","major":10,"minor":229,"fileMode":438,"uid":1,"gid":2}],
          "sysctl":{"net.core.somaxconn":"5"},
          "resources":{"memory":{"limit":1,"swap":2,"reservation":3},"cpu":{"shares":4,"quota":5,"period":6,"cpus":"0","mems":"0"},
                       "pids":{"limit":7},"blockIO":{"weight":100,"weightDevice":[{"major":8,"minor":1,"weight":20},{"major":8,"minor":2,"leafWeight":5}],
                       "throttleReadBpsDevice":[{"major":8,"minor":0,"rate":600}],"throttleWriteIOPSDevice":[{"major":8,"minor":0,"rate":7}]},"unified":{"memory.high":"8"}}}})",
                                    "/bundle");
    REQUIRE_MESSAGE(plan, (plan ? "" : plan.error().message()));
    CHECK(plan->process.uid == 5);
    CHECK(plan->process.additional_gids == std::vector<std::uint32_t>{7, 8});
    CHECK(plan->process.umask == 18U);
    CHECK(plan->process.terminal_columns == 80);
    CHECK(plan->mounts[0].source == "/bundle/rel");
    CHECK(plan->mounts[0].recursive_set == MOUNT_ATTR_RDONLY);
    CHECK(plan->mounts[0].propagation == (MS_SLAVE | MS_REC));
    CHECK(plan->mounts[1].target == "/t");
    CHECK(plan->mounts[1].copy_up);
    CHECK(plan->mounts[1].source == "tmpfs");
    CHECK(plan->namespaces[1].path == "/p");
    CHECK(plan->devices.back().minor == 229);
    CHECK(plan->resources.pids_limit == 7);
    CHECK(plan->resources.block_weight == 100);
    REQUIRE(plan->resources.block_weight_devices.size() == 1);
    CHECK(plan->resources.block_weight_devices[0].value == 20);
    CHECK(plan->resources.read_bytes_devices.at(0).value == 600);
    CHECK(plan->resources.write_operations_devices.at(0).major == 8);
    CHECK(plan->resources.unified.at(0).second == "8");
    CHECK(plan->root_propagation == (MS_SLAVE | MS_REC));
}

TEST_CASE("configurations that are wrong or ask for what is not there are refused with the member's name") {
    auto refused = [](const std::string& more, const std::string& word) {
        auto plan = oci::plan_of_config(
            R"({"ociVersion":"1.0.2","root":{"path":"r"},"process":{"args":["a"],"cwd":"/"})" + more + "}", "/b");
        if (plan) return false;
        CHECK_MESSAGE(plan.error().message().find(word) != std::string::npos, plan.error().message());
        return true;
    };
    CHECK(!refused("", ""));
    CHECK(refused(R"(,"hooks":{"prestart":[{"path":"x"}]})", "hooks.prestart.path"));
    CHECK(refused(R"(,"hooks":{"poststop":[{"path":"/x","timeout":0}]})", "hooks.poststop.timeout"));
    CHECK(refused(R"(,"linux":{"intelRdt":{"closID":"x"}})", "intelRdt"));
    CHECK(refused(R"(,"linux":{"timeOffsets":{"boottime":{"secs":1}}})", "timeOffsets"));
    CHECK(refused(R"(,"linux":{"personality":{"domain":"MOON"}})", "personality"));
    CHECK(refused(R"(,"linux":{"seccomp":{"defaultAction":"SCMP_ACT_NOTIFY"}})", "NOTIFY"));
    CHECK(!refused(R"(,"hooks":{"prestart":[]})", ""));
    CHECK(refused(R"(,"mounts":{})", "mounts"));
    CHECK(refused(R"(,"mounts":[1])", "mounts"));
    CHECK(refused(R"(,"mounts":[{"type":"proc"}])", "destination"));
    CHECK(refused(R"(,"hostname":5)", "hostname"));
    CHECK(refused(R"(,"hostname":"a\u0000b")", "hostname"));
    CHECK(refused(R"(,"linux":{"namespaces":[{"type":"moon"}]})", "namespaces"));
    CHECK(refused(R"(,"linux":{"namespaces":[{"type":"pid"},{"type":"pid"}]})", "twice"));
    CHECK(refused(R"(,"linux":{"resources":{"memory":{"limit":"1G"}}})", "limit"));
    CHECK(refused(R"(,"linux":{"resources":{"unified":{"../x":"1"}}})", "unified"));
    CHECK(refused(R"(,"linux":{"devices":[{"path":"/x","type":"z"}]})", "devices"));
    CHECK(refused(R"(,"linux":{"rootfsPropagation":"ro"})", "rootfsPropagation"));
    CHECK(!oci::plan_of_config("", "/b"));
    CHECK(!oci::plan_of_config("[]", "/b"));
    CHECK(!oci::plan_of_config(R"({"ociVersion":"2.0.0"})", "/b"));
    CHECK(!oci::plan_of_config(R"({"ociVersion":"1.0.0","root":{"path":"r"},"process":{"args":[],"cwd":"/"}})", "/b"));
}
