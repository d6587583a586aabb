// SPDX-License-Identifier: Apache-2.0
// What is written where, on a plain directory in place of a mounted hierarchy.
#include <unistd.h>
#include <cstdlib>

#include <doctest/doctest.h>

#include "os/file.h"
#include "runtime/launch_internal.h"

using namespace pila;
using namespace pila::runtime;

namespace {

class FakeGroup {
public:
    explicit FakeGroup(os::CgroupMode mode) {
        char name[] = "/tmp/pila-resources-XXXXXX";
        root_ = ::mkdtemp(name);
        os::CgroupLayout layout;
        layout.mode = mode;
        std::vector<std::string> controllers;
        if (mode == os::CgroupMode::V1) controllers = {"memory", "cpu", "cpuset", "blkio", "pids"};
        layout.hierarchies.push_back({root_, "/", controllers});
        REQUIRE(os::make_directory(root_ + "/box"));
        group = os::Cgroup(layout, "/box", controllers);
    }
    ~FakeGroup() { ignore(os::remove_tree(root_), "only litter"); }

    FakeGroup& with(const std::string& file, std::string_view text = "") {
        REQUIRE(os::replace_file(root_ + "/box/" + file, text, 0600, os::Sync::No));
        return *this;
    }
    std::string text(const std::string& file) const {
        return os::read_file(root_ + "/box/" + file, 4096).value_or("?");
    }

    os::Cgroup group;

private:
    std::string root_;
};

ResourcePlan everything() {
    ResourcePlan plan;
    plan.memory_limit = 100 << 20;
    plan.memory_swap = 150 << 20;
    plan.memory_reservation = 50 << 20;
    plan.cpu_shares = 512;
    plan.cpu_quota_us = 150000;
    plan.cpu_period_us = 100000;
    plan.cpuset_cpus = "0-1";
    plan.pids_limit = 20;
    plan.block_weight = 500;
    plan.block_weight_devices = {{8, 0, 1000}};
    plan.read_bytes_devices = {{8, 16, 1048576}};
    return plan;
}

}  // namespace

TEST_CASE("limits in the files and scales of cgroup v2") {
    FakeGroup fake(os::CgroupMode::V2);
    for (auto file : {"memory.max", "memory.swap.max", "memory.low", "cpu.weight", "cpu.max", "cpuset.cpus", "pids.max",
                      "io.weight", "io.max"})
        fake.with(file);
    auto plan = everything();
    plan.block_weight_devices.clear();  // one line a write: a plain file shows the last
    auto applied = apply_resources(fake.group, plan);
    REQUIRE_MESSAGE(applied.ok(), applied.error().message());
    CHECK(fake.text("memory.max") == "104857600");
    CHECK(fake.text("memory.swap.max") == "52428800");
    CHECK(fake.text("memory.low") == "52428800");
    CHECK(fake.text("cpu.weight") == "20");
    CHECK(fake.text("cpu.max") == "150000 100000");
    CHECK(fake.text("cpuset.cpus") == "0-1");
    CHECK(fake.text("pids.max") == "20");
    CHECK(fake.text("io.weight") == "default 4950");
    CHECK(fake.text("io.max") == "8:16 rbps=1048576");
}

TEST_CASE("unlimited is max in cgroup v2, swap alone is what exceeds the memory") {
    FakeGroup fake(os::CgroupMode::V2);
    fake.with("memory.max").with("memory.swap.max").with("pids.max").with("cpu.max");
    ResourcePlan plan;
    plan.memory_limit = 1000;
    plan.memory_swap = 1000;
    plan.pids_limit = -1;
    plan.cpu_quota_us = -1;
    CHECK(apply_resources(fake.group, plan));
    CHECK(fake.text("memory.swap.max") == "0");
    CHECK(fake.text("pids.max") == "max");
    CHECK(fake.text("cpu.max") == "max 100000");
    fake.with("memory.max").with("memory.swap.max");
    plan.memory_limit = plan.memory_swap = -1;
    CHECK(apply_resources(fake.group, plan));
    CHECK(fake.text("memory.max") == "max");
    CHECK(fake.text("memory.swap.max") == "max");
}

TEST_CASE("BFQ keeps the scale of cgroup v1, a device of io.weight has a line of its own") {
    FakeGroup bfq(os::CgroupMode::V2), plain(os::CgroupMode::V2);
    bfq.with("io.bfq.weight");
    plain.with("io.weight");
    ResourcePlan plan;
    plan.block_weight_devices = {{8, 0, 1000}};
    CHECK(apply_resources(bfq.group, plan));
    CHECK(bfq.text("io.bfq.weight") == "8:0 1000");
    CHECK(apply_resources(plain.group, plan));
    CHECK(plain.text("io.weight") == "8:0 10000");
}

TEST_CASE("real-time limits are refused where there are none") {
    FakeGroup fake(os::CgroupMode::V2);
    ResourcePlan plan;
    plan.cpu_realtime_runtime_us = 1000;
    CHECK(apply_resources(fake.group, plan).error().code() == Errc::Unsupported);
}

TEST_CASE("limits in the files of cgroup v1") {
    FakeGroup fake(os::CgroupMode::V1);
    for (auto file : {"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes",
                      "memory.swappiness", "cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpuset.cpus",
                      "pids.max", "blkio.weight", "blkio.weight_device", "blkio.throttle.read_bps_device"})
        fake.with(file);
    fake.with("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    auto plan = everything();
    plan.memory_swappiness = 7;
    plan.oom_kill_disable = true;
    auto applied = apply_resources(fake.group, plan);
    REQUIRE_MESSAGE(applied.ok(), applied.error().message());
    CHECK(fake.text("memory.limit_in_bytes") == "104857600");
    CHECK(fake.text("memory.memsw.limit_in_bytes") == "157286400");
    CHECK(fake.text("memory.soft_limit_in_bytes") == "52428800");
    CHECK(fake.text("memory.swappiness") == "7");
    CHECK(fake.text("memory.oom_control").substr(0, 1) == "1");
    CHECK(fake.text("cpu.shares") == "512");
    CHECK(fake.text("cpu.cfs_quota_us") == "150000");
    CHECK(fake.text("blkio.weight") == "500");
    CHECK(fake.text("blkio.weight_device") == "8:0 1000");
    CHECK(fake.text("blkio.throttle.read_bps_device") == "8:16 1048576");
    plan.cpu_shares = 1;
    CHECK(apply_resources(fake.group, plan).error().message() == "the minimum allowed cpu-shares is 2");
}

TEST_CASE("an update that fails half-way leaves what was there") {
    FakeGroup fake(os::CgroupMode::V2);
    fake.with("memory.max", "111111111\n").with("memory.swap.max", "22222222\n").with("memory.low", "33333333\n");
    fake.with("cpu.weight", "44\n").with("cpu.max", "555555 100000\n").with("cpuset.cpus", "6-7\n");
    auto plan = everything();  // io.* are missing: the kernel has no such controller
    CHECK(!update_resources(fake.group, plan));
    CHECK(fake.text("memory.max") == "111111111\n");
    CHECK(fake.text("memory.swap.max") == "22222222\n");
    CHECK(fake.text("memory.low") == "33333333\n");
    CHECK(fake.text("cpu.weight") == "44\n");
    CHECK(fake.text("cpu.max") == "555555 100000\n");
    CHECK(fake.text("cpuset.cpus") == "6-7\n");
    plan = {};
    plan.cpu_shares = 262144;
    fake.with("cpu.weight");
    CHECK(update_resources(fake.group, plan));
    CHECK(fake.text("cpu.weight") == "10000");
}
