// SPDX-License-Identifier: Apache-2.0
#include "engine/resources.h"

#include <unistd.h>
#include <cstdlib>

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "base/json_reader.h"
#include "os/file.h"

using namespace pila;
using namespace pila::engine;

namespace {

json::object object_of(std::string_view text) {
    auto value = parse_json(text);
    REQUIRE(value);
    return value->as_object();
}

HostLimits able() {
    HostLimits host;
    host.memory = host.swap = host.reservation = host.swappiness = host.oom_kill_disable = host.pids = true;
    host.cpu_shares = host.cpu_bandwidth = host.cpuset = host.block_weight = host.block_throttle = true;
    host.cpus = 4;
    host.available_cpus = "0-1,3";
    host.available_memory_nodes = "0";
    return host;
}

std::string refusal(std::string_view text, LimitsFor what = LimitsFor::Creation) {
    auto body = object_of(text);
    auto settled = settle_resources(body, able(), what);
    return settled ? "" : settled.error().message();
}

Resources read(const json::object& body) {
    JsonReader in(body);
    auto read = read_resources(in);
    REQUIRE(in.check());
    return read;
}

}  // namespace

TEST_CASE("creation fills in Docker's defaults and leaves out what is no limit") {
    auto body = object_of(R"({"Memory":20971520,"PidsLimit":-1,"MemorySwappiness":-1})");
    auto warnings = settle_resources(body, able(), LimitsFor::Creation);
    REQUIRE(warnings);
    CHECK(warnings->empty());
    CHECK(body["MemorySwap"] == 41943040);
    CHECK(body["PidsLimit"].is_null());
    CHECK(body["MemorySwappiness"].is_null());
}

TEST_CASE("what this kernel cannot do is left out with a warning, what would mislead is refused") {
    auto body = object_of(R"({"Memory":20971520,"MemorySwap":30971520,"MemoryReservation":10000000,"PidsLimit":5,
        "CpuShares":5,"CpuQuota":5000,"CpusetCpus":"0","BlkioWeight":50,"BlkioDeviceReadBps":[{"Path":"/x","Rate":1}],
        "OomKillDisable":true,"MemorySwappiness":5})");
    auto warnings = settle_resources(body, HostLimits{}, LimitsFor::Creation);
    REQUIRE(warnings);
    CHECK(warnings->size() == 10);
    auto left = read(body);
    CHECK(left.memory == 0);
    CHECK(left.memory_swap == 0);
    CHECK(left.cpuset_cpus.empty());
    CHECK(left.read_bytes_devices.empty());
    body = object_of(R"({"NanoCpus":1000000000})");
    CHECK(!settle_resources(body, HostLimits{}, LimitsFor::Creation));
    CHECK(refusal(R"({"CpuRealtimeRuntime":1000})") == "Your kernel does not support CPU real-time scheduler");
}

TEST_CASE("memory without swap accounting") {
    auto host = able();
    host.swap = false;
    auto body = object_of(R"({"Memory":20971520})");
    CHECK(settle_resources(body, host, LimitsFor::Creation)->size() == 1);
    CHECK(body["MemorySwap"] == -1);
}

TEST_CASE("lists of processors") {
    CHECK(parse_number_list("0-2,7") == std::vector<unsigned>{0, 1, 2, 7});
    for (auto wrong : {"", "a", "1-0", "1-", "0,,1", "0-99999999999", "-1"}) CHECK(!parse_number_list(wrong));
    CHECK(refusal(R"({"CpusetCpus":"1,3"})").empty());
    CHECK(refusal(R"({"CpusetCpus":"2"})") == "Requested CPUs are not available - requested 2, available: 0-1,3");
    CHECK(refusal(R"({"CpusetMems":"x"})") == "Invalid value x for cpuset mems: invalid format: x");
}

TEST_CASE("wrong types and numbers are refused, not guessed") {
    CHECK(refusal(R"({"Memory":"1g"})").find("Memory") != std::string::npos);
    CHECK(refusal(R"({"BlkioDeviceReadBps":[1]})").find("BlkioDeviceReadBps") != std::string::npos);
    CHECK(refusal(R"({"BlkioDeviceReadBps":[{"Path":"/x","Rate":-1}]})") != "");
    CHECK(refusal(R"({"BlkioWeight":5})") == "Range of blkio weight is from 10 to 1000");
    CHECK(refusal(R"({"IOMaximumIOps":5})") != "");
}

TEST_CASE("an update lays what it has over the settings") {
    auto host_config = object_of(
        R"({"Memory":20971520,"MemorySwap":41943040,"CpuPeriod":50000,"PidsLimit":5,"AutoRemove":true,
            "RestartPolicy":{"Name":"no","MaximumRetryCount":0}})");
    CHECK(merge_update(host_config, object_of(R"({"CpuQuota":20000,"Memory":0,"CpusetCpus":"","PidsLimit":-1})")));
    CHECK(host_config["CpuQuota"] == 20000);
    CHECK(host_config["Memory"] == 20971520);
    CHECK(host_config["PidsLimit"] == 0);
    auto refused = [&](const char* text) { return merge_update(host_config, object_of(text)).error().code(); };
    CHECK(refused(R"({"Memory":99999999})") == Errc::Conflict);
    CHECK(refused(R"({"NanoCpus":1000000000})") == Errc::Conflict);
    CHECK(refused(R"({"RestartPolicy":{"Name":"always"}})") == Errc::Conflict);
    CHECK(merge_update(host_config, object_of(R"({"Memory":99999999,"MemorySwap":-1,"RestartPolicy":{"Name":""}})")));
    CHECK(host_config["RestartPolicy"].as_object()["Name"] == "no");
    CHECK(merge_update(host_config, object_of(R"({"Memory":199999999})")));
}

TEST_CASE("of a running container only what the update touches is changed, pairs together") {
    Resources merged;
    merged.memory = 100;
    merged.memory_swap = 300;
    merged.cpu_shares = 5;
    merged.cpu_period = 50000;
    Resources changes;
    changes.memory_swap = 300;
    changes.cpu_quota = 20000;
    merged.cpu_quota = 20000;
    changes.pids_limit = 0;
    auto plan = plan_update(changes, merged);
    REQUIRE(plan);
    CHECK(plan->memory_limit == 100);
    CHECK(plan->memory_swap == 300);
    CHECK(!plan->cpu_shares);
    CHECK(plan->cpu_period_us == 50000U);
    CHECK(plan->pids_limit == -1);
    changes.read_bytes_devices = {{"/nosuch", 1}};
    CHECK(plan_update(changes, merged).error().code() == Errc::Invalid);
}

TEST_CASE("what a cgroup v2 machine can limit is read from its root and a group below it") {
    char name[] = "/tmp/pila-limits-XXXXXX";
    std::string root = ::mkdtemp(name);
    REQUIRE(os::make_directory(root + "/pila"));
    auto put = [&](const std::string& file, std::string_view text) {
        REQUIRE(os::replace_file(root + "/" + file, text, 0600, os::Sync::No));
    };
    put("cgroup.controllers", "cpuset cpu io memory pids\n");
    put("cpuset.cpus.effective", "0-7\n");
    put("pila/memory.max", "max\n");
    put("pila/io.max", "");
    os::CgroupLayout layout{os::CgroupMode::V2, {{root, "/", {}}}};
    auto limits = probe_host_limits(layout, "/pila");
    CHECK(limits.memory);
    CHECK(!limits.swap);
    CHECK(!limits.swappiness);
    CHECK(!limits.oom_kill_disable);
    CHECK(!limits.cpu_realtime);
    CHECK(!limits.block_weight);
    CHECK(limits.block_throttle);
    CHECK(limits.available_cpus == "0-7");
    put("pila/memory.swap.max", "max\n");
    put("pila/io.weight", "default 100\n");
    limits = probe_host_limits(layout, "/pila");
    CHECK(limits.swap);
    CHECK(limits.block_weight);
    ignore(os::remove_tree(root), "only litter");
}
