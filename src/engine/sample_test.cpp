// SPDX-License-Identifier: Apache-2.0
#include "engine/sample.h"

#include <unistd.h>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include <doctest/doctest.h>

#include "engine/stats_hub.h"
#include "os/file.h"

using namespace pila;
using namespace pila::engine;

TEST_CASE("the kernel's tables, also cut short and garbled") {
    CHECK(parse_system_time("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n") ==
          28 * (1'000'000'000ULL / static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK))));
    CHECK(parse_system_time("") == 0);
    CHECK(parse_system_time("intr 5") == 0);
    auto keyed = parse_keyed("a 1\nb x\nc\nd 2 3\ne 18446744073709551615\n");
    REQUIRE(keyed.size() == 2);
    CHECK(keyed[1].second == UINT64_MAX);
    auto interfaces = parse_interfaces(
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls\n"
        "    lo:     1       1    0    0    0     0          0         0        1       1    0    0    0     0\n"
        "  eth0:    10      11   12   13    0     0          0         0       20      21   22   23    0     0\n bad: "
        "1\n");
    REQUIRE(interfaces.size() == 1);
    CHECK(interfaces[0].name == "eth0");
    CHECK(interfaces[0].received_dropped == 13);
    CHECK(interfaces[0].sent_bytes == 20);
    auto v1 = parse_block_v1("8:0 Read 4096\n8:0 Write 1\nx:0 Read 1\n8 Read 1\nTotal 4097\n");
    REQUIRE(v1.size() == 2);
    CHECK(v1[0].operation == "Read");
    CHECK(v1[0].value == 4096);
    auto [bytes, operations] =
        parse_block_v2("8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:0\n9:x rbytes=1\n");
    REQUIRE(bytes.size() == 2);
    CHECK(bytes[1].operation == "write");
    CHECK(bytes[1].minor == 16);
    CHECK(operations[0].value == 3);
}

TEST_CASE("a sample of a cgroup v2 group") {
    char name[] = "/tmp/pila-sample-XXXXXX";
    std::string root = ::mkdtemp(name);
    auto put = [&](const std::string& file, std::string_view text) {
        REQUIRE(os::replace_file(root + "/" + file, text, 0600, os::Sync::No));
    };
    put("cpu.stat", "usage_usec 7\nuser_usec 4\nsystem_usec 3\nnr_periods 2\nnr_throttled 1\nthrottled_usec 9\n");
    put("memory.current", "1000\n");
    put("memory.max", "max\n");
    put("memory.stat", "anon 10\ninactive_file 20\n");
    put("pids.current", "3\n");
    put("pids.max", "max\n");
    put("io.stat", "8:0 rbytes=5 wbytes=6 rios=1 wios=1\n");
    os::CgroupLayout layout{os::CgroupMode::V2, {{root, "/", {}}}};
    Moment moment{{5}, 100, 1U << 30};
    auto sample = take_sample(os::Cgroup(layout, "", {}), ::getpid(), moment);
    CHECK(sample.processor == 7000);
    CHECK(sample.throttled == 9000);
    CHECK(sample.memory == 1000);
    CHECK(sample.memory_limit == 1U << 30);
    CHECK(sample.memory_details.at(1).second == 20);
    CHECK(sample.processes == 3);
    CHECK(!sample.processes_limit);
    CHECK(sample.block_bytes.size() == 2);
    CHECK(sample.system == 100);
    ignore(os::remove_tree(root), "only litter");
}

TEST_CASE("samples come while somebody watches, and not a moment longer") {
    auto groups = ControlGroups::create("/pila-unit-stats");
    if (!groups) {
        MESSAGE("skipped: " << groups.error().message());
        return;
    }
    auto timers = std::make_unique<TimerQueue>();
    auto workers = std::make_unique<WorkQueue>("test", 2);
    StatsHub hub(*timers, *workers, *groups);
    auto container = std::make_shared<Container>(ContainerIdentity{std::string(64, 'a'), {}, {}, {}}, "x",
                                                 std::make_shared<const ContainerSpec>(), std::vector<VolumeMount>{});
    std::mutex mutex;
    std::condition_variable changed;
    int seen = 0;
    bool had_before = false, told = false;
    auto key = hub.watch(container, {[&](const SamplePointer&, const SamplePointer& before) {
                                         std::lock_guard lock(mutex);
                                         had_before = before != nullptr;
                                         ++seen;
                                         changed.notify_all();
                                         return seen < 2;
                                     },
                                     [] {}});
    {
        std::unique_lock lock(mutex);
        CHECK(changed.wait_for(lock, std::chrono::seconds(10), [&] { return seen == 2; }));
        CHECK(had_before);
    }
    hub.unwatch(key);
    hub.watch(container, {[](const auto&, const auto&) { return true; }, [&] { told = true; }});
    hub.forget(container->id());
    CHECK(told);
    hub.stop();
    timers.reset();  // what they still hold refers to the hub
    workers.reset();
}
