// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>

#include "cluster/state/state.h"
#include "cluster/state/testing_internal.h"

using namespace pila;
using namespace pila::cluster::state;
using namespace pila::cluster::state::testing;

namespace {

void write_many(State& state, int count, const std::string& key = "core/pods/default/a") {
    for (int i = 0; i < count; ++i) REQUIRE(state.write(put(key, "x")).ok());
}

}  // namespace

TEST_CASE("a watch gives the changes after its revision, in order") {
    auto state = open_state();
    REQUIRE(state->write(put("core/pods/default/a", "1")).ok());
    REQUIRE(state->write(put("core/pods/default/b", "2")).ok());
    REQUIRE(state->write(put("core/services/default/b", "2")).ok());
    REQUIRE(state->write(put("core/pods/default/a", "3")).ok());
    REQUIRE(state->write(removal("core/pods/default/b")).ok());
    auto all = watching(*state, "core/pods/", 0, nullptr);
    auto later = watching(*state, "core/pods/", 2, nullptr);
    auto now = watching(*state, "core/pods/", 5, nullptr);
    CHECK(all->revision() == 0);
    CHECK(told(all->events(2)) == "+a@1 +b@2");
    CHECK(all->revision() == 2);
    CHECK(told(all->events(100)) == "=a@4 -b@5");
    CHECK(all->revision() == 5);
    CHECK(told(later->events(100)) == "=a@4 -b@5");
    CHECK(told(now->events(100)) == "");
    CHECK(now->revision() == 5);
    REQUIRE(state->write(put("core/pods/default/b", "4")).ok());
    CHECK(told(all->events(100)) == "+b@6");
    CHECK(told(now->events(100)) == "+b@6");
    REQUIRE(state->write(put("core/services/default/b", "3")).ok());
    CHECK(now->revision() == 7);  // nothing of it is for this watch
    CHECK(state->watch("core/pods/", 8, nullptr).error().code() == Errc::Unavailable);
}

TEST_CASE("a watch of a prefix gives what is under it only") {
    auto state = open_state();
    auto watch = watching(*state, "core/pods/b/", 0, nullptr);
    for (const char* name : {"a/1", "b/1", "b-/1", "b0/1", "b/2"})
        REQUIRE(state->write(put(std::string("core/pods/") + name, "x")).ok());
    REQUIRE(state->write(put("core/podsets/b/1", "x")).ok());
    CHECK(told(watch->events(1)) == "+1@2");
    CHECK(told(watch->events(1)) == "+2@5");
    CHECK(told(watch->events(1)) == "");
    CHECK(watch->revision() == 6);
}

TEST_CASE("a watch wakes once until it is asked, and only for what it is for") {
    auto state = open_state();
    std::atomic<int> wakes = 0;
    auto watch = watching(*state, "core/pods/default/", 0, [&] { ++wakes; });
    write_many(*state, 3);
    CHECK(wakes == 1);
    CHECK(told(watch->events(100)) == "+a@1 =a@2 =a@3");
    write_many(*state, 2, "core/pods/other/a");
    write_many(*state, 2, "core/services/default/a");
    CHECK(wakes == 1);
    CHECK(watch->revision() == 7);
    write_many(*state, 2);
    CHECK(wakes == 2);
    CHECK(told(watch->events(1)) == "=a@8");
    CHECK(told(watch->events(100)) == "=a@9");
    watch.reset();
    write_many(*state, 1);
    CHECK(wakes == 2);
}

TEST_CASE("the window is trimmed by count") {
    auto state = open_state("", {.window_events = 10, .window_bytes = SIZE_MAX});
    auto slow = watching(*state, "core/pods/", 0, nullptr);
    auto quiet = watching(*state, "core/pods/other/", 0, nullptr);
    write_many(*state, 10);
    auto half = watching(*state, "core/pods/", 5, nullptr);
    CHECK(told(slow->events(1)) == "+a@1");
    write_many(*state, 2);
    CHECK(told(slow->events(1)) == "gone");
    CHECK(told(half->events(1)) == "=a@6");
    write_many(*state, 100);
    CHECK(told(half->events(1)) == "gone");
    CHECK(told(half->events(1)) == "gone");
    CHECK(told(quiet->events(1)) == "");  // it has missed nothing
    CHECK(quiet->revision() == 112);
    CHECK(state->watch("core/pods/", 101, nullptr).error().code() == Errc::Gone);
    CHECK(told(watching(*state, "core/pods/", 102, nullptr)->events(100)).starts_with("=a@103"));
    CHECK(state->list("core/pods/", "", 0, 101).error().code() == Errc::Gone);
    CHECK(names(state->list("core/pods/", "", 0, 102)->objects) == "a@102");
    // Another collection's window is its own.
    CHECK(state->watch("core/services/", 0, nullptr).ok());
}

TEST_CASE("the window is trimmed by superseded bytes, but never of its newest change") {
    auto state = open_state("", {.window_bytes = 20'000});
    auto data = std::string(1'000, 'x');
    for (int i = 0; i < 100; ++i) REQUIRE(state->write(put("core/pods/default/" + std::to_string(i), data)).ok());
    CHECK(state->watch("core/pods/", 0, nullptr).ok());  // nothing was superseded
    for (int i = 0; i < 30; ++i) REQUIRE(state->write(put("core/pods/default/0", data)).ok());
    CHECK(state->numbers().old_bytes <= 20'000);
    CHECK(state->numbers().old_bytes > 18'000);
    CHECK(state->watch("core/pods/", 100, nullptr).error().code() == Errc::Gone);
    CHECK(state->watch("core/pods/", 115, nullptr).ok());
    REQUIRE(state->write(put("core/pods/default/0", std::string(50'000, 'x'))).ok());
    auto watch = watching(*state, "core/pods/", 131, nullptr);
    REQUIRE(state->write(removal("core/pods/default/0")).ok());
    CHECK(told(watch->events(10)) == "-0@132");
    REQUIRE(state->write(removal("core/pods/default/1")).ok());
    CHECK(told(watch->events(10)) == "-1@133");
    CHECK(state->numbers().old_bytes < 20'000);
}

TEST_CASE("the window is trimmed by time when something is written, of idle collections too") {
    auto state = open_state("", {.window_time = std::chrono::seconds(0)});
    write_many(*state, 3, "core/services/default/a");
    write_many(*state, 3);
    CHECK(told(watching(*state, "core/pods/", 5, nullptr)->events(10)) == "=a@6");
    CHECK(state->watch("core/pods/", 4, nullptr).error().code() == Errc::Gone);
    CHECK(state->watch("core/services/", 2, nullptr).error().code() == Errc::Gone);
    CHECK(names(state->list("core/services/", "", 0, 3)->objects) == "a@3");
    CHECK(state->numbers().old_bytes < 3 * sizeof(Object));
}

TEST_CASE("a watch may outlive its state") {
    auto state = open_state();
    auto watch = watching(*state, "core/pods/", 0, [] {});
    write_many(*state, 2);
    state.reset();
    CHECK(told(watch->events(10)) == "+a@1 =a@2");
    CHECK(watch->revision() == 2);
}

TEST_CASE("no wake runs once its watch is gone") {
    auto state = open_state();
    std::atomic<bool> is_done = false;
    std::thread writer([&] {
        while (!is_done) static_cast<void>(state->write(put("core/pods/default/a", "x")));
    });
    for (int i = 0; i < 500; ++i) {
        auto alive = std::make_unique<std::atomic<int>>(0);
        auto watch = watching(*state, "core/pods/", state->revision(), [&counter = *alive] { ++counter; });
        while (i % 2 == 0 && *alive == 0) std::this_thread::yield();
        watch.reset();
        alive.reset();  // a wake from now on would be caught by the address sanitizer
    }
    is_done = true;
    writer.join();
    CHECK(state->revision() > 0);
}
