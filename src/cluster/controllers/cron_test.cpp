// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/cron.h"

#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

namespace {

std::string after(const std::string& schedule, const std::string& time, const TimeZone& zone = {}) {
    auto cron = Cron::parse(schedule);
    REQUIRE(cron);
    auto next = cron->next(*codec::parse_time(time) / 1'000'000, zone);
    return next ? codec::format_time(*next) : "never";
}

}  // namespace

TEST_CASE("the next time of a schedule") {
    const std::string monday = "2026-11-23T15:07:30Z";
    CHECK(after("* * * * *", monday) == "2026-11-23T15:08:00Z");
    CHECK(after("*/15 * * * *", monday) == "2026-11-23T15:15:00Z");
    CHECK(after("0 0 * * *", monday) == "2026-11-24T00:00:00Z");
    CHECK(after("@daily", monday) == "2026-11-24T00:00:00Z");
    CHECK(after("@every 1h30m", monday) == "2026-11-23T16:37:30Z");
    CHECK(after("30 9 * * mon-fri", "2026-11-27T10:00:00Z") == "2026-11-30T09:30:00Z");
    CHECK(after("0 12 1 jan *", monday) == "2027-01-01T12:00:00Z");
    CHECK(after("0 0 13 * fri", monday) == "2026-11-27T00:00:00Z");  // either
    CHECK(after("0 0 29 2 *", monday) == "2028-02-29T00:00:00Z");
    CHECK(after("0 0 31 2 *", monday) == "never");
    CHECK(after("5,10 3-4 * * *", monday) == "2026-11-24T03:05:00Z");
    CHECK(after("* * * * *", "2026-11-23T15:07:00Z") == "2026-11-23T15:08:00Z");
    for (auto bad : {"", "* * * *", "60 * * * *", "* * 0 * *", "*/0 * * * *", "@often", "5-3 * * * *"})
        CHECK_FALSE(Cron::parse(bad));
}

TEST_CASE("a place where clocks change") {
    auto zone = TimeZone::load("Europe/Berlin");
    if (!zone) {
        MESSAGE("no time zones on this machine");
        return;
    }
    CHECK(zone->offset_at(*codec::parse_time("2026-07-01T00:00:00Z") / 1'000'000) == 7200);
    CHECK(zone->offset_at(*codec::parse_time("2026-12-01T00:00:00Z") / 1'000'000) == 3600);
    CHECK(zone->offset_at(*codec::parse_time("2060-07-01T00:00:00Z") / 1'000'000) == 7200);  // by the rule
    CHECK(zone->offset_at(*codec::parse_time("2060-12-01T00:00:00Z") / 1'000'000) == 3600);
    CHECK(after("0 9 * * *", "2026-07-01T00:00:00Z", *zone) == "2026-07-01T07:00:00Z");
    CHECK(after("0 9 * * *", "2026-12-01T00:00:00Z", *zone) == "2026-12-01T08:00:00Z");
    CHECK(after("30 2 * * *", "2026-03-28T12:00:00Z", *zone) == "2026-03-30T00:30:00Z");  // the 29th has no 2:30
    CHECK(after("30 2 * * *", "2026-10-24T12:00:00Z", *zone) == "2026-10-25T00:30:00Z");  // which has two
    CHECK(after("30 2 * * *", "2026-10-25T00:30:00Z", *zone) == "2026-10-26T01:30:00Z");
    CHECK_FALSE(TimeZone::load("Europe/Nowhere"));
    CHECK_FALSE(TimeZone::load("../../etc/passwd"));
    CHECK_FALSE(TimeZone::parse("TZif2"));
}

namespace {

std::string cron_job(const std::string& more) {
    return R"({"metadata":{"name":"often"},"spec":{"schedule":"* * * * *")" + more +
           R"(,"jobTemplate":{"spec":{"template":{"spec":{"restartPolicy":"Never",)" +
           R"("containers":[{"name":"c","image":"i"}]}}}}}})";
}

void succeed(World& world) {
    for (const auto& pod : world.all("", "pods"))
        if (text_in(pod, "status.phase") != "Succeeded")
            world.change("", "pods", text_in(pod, "metadata.name"), R"({"status":{"phase":"Succeeded"}})", "status");
    world.settle();
}

}  // namespace

TEST_CASE("a cron job makes jobs and keeps the last of them") {
    World world;
    world.make("batch", "cronjobs", cron_job(""));
    world.settle();
    CHECK(world.all("batch", "jobs").empty());
    for (int round = 0; round < 5; ++round) {
        world.pass(60);
        CHECK(list_in(*world.get("batch", "cronjobs", "often"), "status.active"));  // two, if a minute ends now
        succeed(world);
        CHECK_FALSE(list_in(*world.get("batch", "cronjobs", "often"), "status.active"));
    }
    CHECK(world.all("batch", "jobs").size() == 3);
    auto cron = *world.get("batch", "cronjobs", "often");
    CHECK(!text_in(cron, "status.lastSuccessfulTime").empty());
    world.change("batch", "cronjobs", "often", R"({"spec":{"suspend":true}})");
    world.pass(300);
    CHECK(world.all("batch", "jobs").size() == 3);
}

TEST_CASE("whether jobs may run side by side") {
    for (std::string policy : {"Allow", "Forbid", "Replace"}) {
        World world;
        world.make("batch", "cronjobs", cron_job(R"(,"concurrencyPolicy":")" + policy + "\""));
        world.settle();
        world.pass(60);
        auto first = world.all("batch", "jobs");
        REQUIRE(first.size() == 1);
        world.pass(60);
        auto jobs = world.all("batch", "jobs");
        CHECK(jobs.size() == (policy == "Allow" ? 2 : 1));
        bool is_there = world.get("batch", "jobs", text_in(first[0], "metadata.name")).has_value();
        CHECK(is_there == (policy != "Replace"));
    }
}

}  // namespace pila::cluster::controllers
