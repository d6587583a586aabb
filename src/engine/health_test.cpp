// SPDX-License-Identifier: Apache-2.0
#include "engine/health.h"

#include <sys/socket.h>
#include <unistd.h>

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "engine/output_drain.h"
#include "os/file.h"

using namespace pila;
using namespace pila::engine;
using namespace std::chrono_literals;

static Result<HealthSettings> read(std::string_view config) {
    auto value = parse_json(config);
    REQUIRE(value);
    return read_health(value->get_object());
}

TEST_CASE("health checks as images and flags write them") {
    CHECK(read("{}")->command.empty());
    CHECK(read(R"({"Healthcheck":{"Test":["NONE"]}})")->command.empty());
    CHECK(read(R"({"Healthcheck":{"Test":["X","y"]}})")->command.empty());
    auto direct = read(R"({"Healthcheck":{"Test":["CMD","a","b"],"Interval":2000000,"Retries":7}})");
    REQUIRE(direct);
    CHECK(direct->command == std::vector<std::string>{"a", "b"});
    CHECK(direct->interval == 2ms);
    CHECK(direct->timeout == 30s);
    CHECK(direct->retries == 7);
    auto shell = read(R"({"Healthcheck":{"Test":["CMD-SHELL","a | b"]},"Shell":["/bin/bash","-ec"]})");
    CHECK(shell->command == std::vector<std::string>{"/bin/bash", "-ec", "a | b"});
    CHECK(read(R"({"Healthcheck":{"Interval":5}})").error().message() ==
          "Interval in Healthcheck cannot be less than 1ms");
    CHECK(read(R"({"Healthcheck":{"Retries":-1}})").error().message() == "Retries in Healthcheck cannot be negative");
    CHECK(!read(R"({"Healthcheck":{"Test":{}}})"));
    CHECK(!read(R"({"Healthcheck":[]})"));
}

TEST_CASE("what a container leaves open of its health check is the image's") {
    auto object = [](const char* text) { return parse_json(text)->as_object(); };
    auto merged = merge_health(object(R"({"Test":[],"Interval":5,"Retries":0})"),
                               object(R"({"Test":["CMD","x"],"Interval":9,"Retries":2,"Timeout":3})"));
    CHECK(merged == parse_json(R"({"Test":["CMD","x"],"Interval":5,"Retries":2,"Timeout":3})")->as_object());
    CHECK(merge_health(object(R"({"Test":["NONE"]})"), object(R"({"Test":["CMD","x"]})"))["Test"] ==
          parse_json(R"(["NONE"])")->as_array());
}

TEST_CASE("a container turns unhealthy after enough failures in a row, healthy at once") {
    HealthSettings settings;
    settings.retries = 2;
    settings.start_period = 10s;
    Health health{HealthStatus::Starting, 0, {}};
    auto at = [](std::int64_t seconds, int code) {
        return ProbeResult{{seconds * 1'000'000'000}, {seconds * 1'000'000'000 + 1}, code, ""};
    };
    // What ran for how long when the probe began; the times in the results are for people.
    auto note = [&](std::int64_t after, int code) {
        return note_probe(health, at(after, code), settings, std::chrono::seconds(after));
    };
    CHECK(!note(5, 1));
    CHECK(health.failing_streak == 0);  // excused
    CHECK(!note(11, 1));
    CHECK(note(12, 127));
    CHECK(health.status == HealthStatus::Unhealthy);
    CHECK(note(13, 0));
    CHECK(health.status == HealthStatus::Healthy);
    CHECK(health.failing_streak == 0);
    for (int i = 0; i < 10; ++i) CHECK(!note(20 + i, 0));
    CHECK(health.log.size() == 5);
    CHECK(health.log.back().begun.seconds() == 29);
    CHECK(next_probe_after(settings, HealthStatus::Starting, 5s) == 5s);
    CHECK(next_probe_after(settings, HealthStatus::Healthy, 5s) == 30s);
    CHECK(next_probe_after(settings, HealthStatus::Starting, 11s) == 30s);
}

TEST_CASE("output is drained without end and kept in part") {
    auto drain = OutputDrain::create();
    REQUIRE(drain);
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    Fd theirs(ends[1]);
    REQUIRE((*drain)->add(7, Fd(ends[0])));
    REQUIRE(os::write_all(theirs, "short"));
    CHECK((*drain)->take(7) == "short");
    CHECK((*drain)->take(7).empty());
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    theirs = Fd(ends[1]);
    REQUIRE((*drain)->add(8, Fd(ends[0])));
    REQUIRE(os::write_all(theirs, std::string(4U << 20, 'x')));  // more than any socket holds
    auto text = (*drain)->take(8);
    CHECK(text.size() == OutputDrain::kept_bytes + 3);
    CHECK(text.ends_with("x..."));
}
