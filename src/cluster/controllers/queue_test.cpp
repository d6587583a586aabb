// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/queue.h"

#include <atomic>
#include <thread>

#include <doctest/doctest.h>

namespace pila::cluster::controllers {

namespace {

using namespace std::chrono_literals;

std::optional<std::string> next(Queue& queue, Queue::Clock::duration later = 0s) {
    return queue.take_due(Queue::Clock::now() + later);
}

}  // namespace

TEST_CASE("a key waits once, in the order of the first") {
    Queue queue;
    for (auto key : {"a", "b", "a", "a"}) queue.add(key);
    CHECK(next(queue) == "a");
    CHECK(next(queue) == "b");
    CHECK_FALSE(next(queue));
}

TEST_CASE("what is added while it is worked on comes again afterwards, and never to two") {
    Queue queue;
    queue.add("a");
    REQUIRE(next(queue) == "a");
    queue.add("a");
    queue.add("a");
    CHECK_FALSE(next(queue));
    queue.done("a");
    CHECK(next(queue) == "a");
    queue.done("a");
    CHECK_FALSE(next(queue));
}

TEST_CASE("the earlier of two times holds, and what is due comes in order of time") {
    Queue queue;
    queue.add_after("late", 30s);
    queue.add_after("soon", 20s);
    queue.add_after("late", 10s);
    queue.add_after("soon", 60s);
    CHECK_FALSE(next(queue, 5s));
    CHECK(next(queue, 15s) == "late");
    CHECK(next(queue, 25s) == "soon");
    queue.done("late");
    CHECK_FALSE(next(queue, 100s));
}

TEST_CASE("failures come back later each time, until they are forgotten") {
    Queue queue;
    auto fails = [&] {
        queue.retry("a");
        for (auto delay = 1ms; delay < 3'000'000ms; delay *= 2)
            if (next(queue, delay)) {
                queue.done("a");
                return delay;
            }
        return 0ms;
    };
    CHECK(fails() <= 8ms);
    CHECK(fails() == 16ms);
    CHECK(fails() == 32ms);
    for (int i = 0; i < 40; ++i) fails();
    CHECK(fails() == 1024ms * 1024);  // 1000 s at most
    queue.forget("a");
    CHECK(fails() <= 8ms);
}

TEST_CASE("workers share what there is, wake for what is delayed, and leave when the queue stops") {
    Queue queue;
    std::atomic<int> done = 0, at_once = 0, most = 0;
    std::vector<std::thread> workers;
    for (int i = 0; i < 4; ++i)
        workers.emplace_back([&] {
            while (auto key = queue.take()) {
                auto now = ++at_once;
                for (auto seen = most.load(); *key == "one" && seen < now && !most.compare_exchange_weak(seen, now);) {
                }
                ++done;
                --at_once;
                queue.done(*key);
            }
        });
    for (int i = 0; i < 1000; ++i) queue.add("one");
    queue.add_after("two", 20ms);
    auto deadline = Queue::Clock::now() + 10s;
    while (Queue::Clock::now() < deadline && done < 2) std::this_thread::yield();
    CHECK(done >= 2);
    queue.stop();
    for (auto& worker : workers) worker.join();
    CHECK_FALSE(queue.take());
}

}  // namespace pila::cluster::controllers
