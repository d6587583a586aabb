// SPDX-License-Identifier: Apache-2.0
// Figures, not checks: cluster_state-test --no-skip --test-case='figures*'
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include <fmt/core.h>

#include "base/mutex.h"
#include "cluster/state/state.h"
#include "cluster/state/testing_internal.h"

using namespace pila;
using namespace pila::cluster::state;
using namespace pila::cluster::state::testing;

namespace {

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// On the disk that keeps the state, which /tmp need not be.
struct Place : TemporaryDirectory {
    std::string database() const {
        const char* given = std::getenv("PILA_STATE_FIGURES");
        return (given ? std::string(given) : path) + "/cluster.db";
    }
};

std::string micro(std::vector<double>& times) {
    std::sort(times.begin(), times.end());
    auto at = [&](double part) {
        return times[static_cast<std::size_t>(part * static_cast<double>(times.size() - 1))] * 1e6;
    };
    return fmt::format("p50 {:.0f} p99 {:.0f} max {:.0f} us", at(0.5), at(0.99), at(1));
}

std::string pod(unsigned number) {
    return fmt::format("core/pods/namespace-{}/deployment-{:05}-7d4b9c6f5-x{:04}", number % 100, number / 10,
                       number % 10'000);
}

void write_with(unsigned threads, const std::string& path, double duration, unsigned keys) {
    auto state = open_state(path);
    auto data = std::string(1'000, 'x');
    std::vector<std::vector<double>> times(threads);
    auto end = seconds() + duration;
    std::vector<std::thread> running;
    for (unsigned t = 0; t < threads; ++t)
        running.emplace_back([&, t] {
            for (unsigned i = t; seconds() < end; i += 7919) {
                auto start = seconds();
                if (state->write(put(pod(i % keys), data))) times[t].push_back(seconds() - start);
            }
        });
    for (auto& thread : running) thread.join();
    std::vector<double> all;
    for (auto& each : times) all.insert(all.end(), each.begin(), each.end());
    auto numbers = state->numbers();
    MESSAGE(fmt::format("{} threads, {} keys: {:.0f} writes/s, {}; {:.1f} a commit, {:.0f} us a commit", threads, keys,
                        static_cast<double>(all.size()) / duration, micro(all),
                        static_cast<double>(numbers.writes) / static_cast<double>(numbers.commits),
                        duration * 1e6 / static_cast<double>(numbers.commits)));
}

std::size_t used_memory() { return ::mallinfo2().uordblks + ::mallinfo2().hblkhd; }

}  // namespace

TEST_CASE("figures: fdatasync alone" * doctest::skip()) {
    Place place;
    auto file = os::open(place.database(), O_RDWR | O_CREAT, 0600).take();
    std::string block(64 * 1024, 'x');
    for (int i = 0; i < 64; ++i) REQUIRE(os::write_all(file, block).ok());
    ::fsync(file.get());
    for (std::size_t size : {4'096U, 65'536U}) {
        std::vector<double> times;
        for (int i = 0; i < 1'000; ++i) {
            auto start = seconds();
            REQUIRE(::pwrite(file.get(), block.data(), size, static_cast<off_t>((i % 64) * size)) > 0);
            ::fdatasync(file.get());
            times.push_back(seconds() - start);
        }
        MESSAGE(fmt::format("overwrite {} bytes and fdatasync: {}", size, micro(times)));
    }
}

TEST_CASE("figures: writes" * doctest::skip()) {
    for (unsigned keys : {1'000U, 100'000U})
        for (unsigned threads : {1U, 16U, 100U}) {
            Place place;
            write_with(threads, place.database(), 3, keys);
        }
    for (unsigned threads : {1U, 16U, 100U}) write_with(threads, "", 2, 100'000);
}

TEST_CASE("figures: memory and lists of 10,000 objects" * doctest::skip()) {
    auto state = open_state();
    auto before = used_memory();
    auto data = std::string(4'000, 'x');
    for (unsigned i = 0; i < 10'000; ++i) REQUIRE(state->write(put(pod(i), data)).ok());
    auto numbers = state->numbers();
    MESSAGE(fmt::format("10,000 objects: {:.0f} bytes each, key and content {:.0f}",
                        static_cast<double>(used_memory() - before) / 1e4, static_cast<double>(numbers.bytes) / 1e4));
    std::vector<double> whole;
    std::vector<double> one;
    std::vector<double> got;
    for (int i = 0; i < 1'000; ++i) {
        auto start = seconds();
        CHECK(state->list("core/pods/", "", 0, 0)->objects.size() == 10'000);
        whole.push_back(seconds() - start);
        start = seconds();
        CHECK(state->list("core/pods/namespace-5/", "", 0, 0)->objects.size() == 100);
        one.push_back(seconds() - start);
        start = seconds();
        CHECK(state->get(pod(static_cast<unsigned>(i) * 7)) != nullptr);
        got.push_back(seconds() - start);
    }
    MESSAGE("list 10,000: " << micro(whole) << "; 100 of them: " << micro(one) << "; get: " << micro(got));
    auto at = state->revision();
    for (unsigned i = 0; i < 1'000; ++i) REQUIRE(state->write(put(pod(i * 7 % 10'000), data)).ok());
    std::vector<double> old;
    for (int i = 0; i < 100; ++i) {
        auto start = seconds();
        CHECK(state->list("core/pods/", "", 0, at + 10)->objects.size() == 10'000);
        old.push_back(seconds() - start);
    }
    MESSAGE("list 10,000 as they were 990 changes ago: " << micro(old));
}

TEST_CASE("figures: a thousand watches" * doctest::skip()) {
    auto state = open_state();
    constexpr std::size_t watches = 1'000;
    constexpr std::size_t changes = 5'000;
    struct Reader {
        Mutex mutex;
        Condition changed;
        std::vector<std::size_t> awake;
        std::size_t delivered = 0;
    };
    std::vector<Reader> readers(4);
    std::vector<std::unique_ptr<Watch>> all;
    for (std::size_t i = 0; i < watches; ++i)
        all.push_back(watching(*state, "core/pods/", 0, [&readers, i] {
            auto& reader = readers[i % 4];
            Lock lock(reader.mutex);
            reader.awake.push_back(i);
            reader.changed.notify_one();
        }));
    auto start = seconds();
    std::vector<std::thread> threads;
    for (auto& reader : readers)
        threads.emplace_back([&] {
            while (reader.delivered < changes * watches / 4) {
                std::vector<std::size_t> awake;
                {
                    Lock lock(reader.mutex);
                    while (reader.awake.empty()) reader.changed.wait(lock);
                    awake.swap(reader.awake);
                }
                for (auto i : awake)
                    for (std::size_t given = 100; given == 100;) {
                        given = all[i]->events(100)->size();
                        reader.delivered += given;
                    }
            }
        });
    std::vector<std::thread> writers;
    for (unsigned t = 0; t < 4; ++t)
        writers.emplace_back([&, t] {
            for (std::size_t i = t; i < changes; i += 4)
                static_cast<void>(state->write(put(pod(static_cast<unsigned>(i)), std::string(1'000, 'x'))));
        });
    for (auto& thread : writers) thread.join();
    auto written = seconds() - start;
    for (auto& thread : threads) thread.join();
    auto took = seconds() - start;
    MESSAGE(fmt::format(
        "{} changes written in {:.2f} s in {} commits, given to {} watches in {:.2f} s: {:.0f} events/s", changes,
        written, state->numbers().commits, watches, took, static_cast<double>(watches * changes) / took));
    CHECK(readers[0].delivered == changes * watches / 4);
}

TEST_CASE("figures: a start with a million objects" * doctest::skip()) {
    Place place;
    constexpr unsigned objects = 1'000'000;
    {
        auto state = open_state(place.database());
        std::vector<std::thread> threads;
        auto start = seconds();
        for (unsigned t = 0; t < 200; ++t)
            threads.emplace_back([&, t] {
                for (unsigned i = t; i < objects; i += 200)
                    if (!state->write(
                            put(pod(i * 7919U % objects) + std::to_string(i), std::string(300 + i % 700, 'x'))))
                        return;
            });
        for (auto& thread : threads) thread.join();
        CHECK(state->numbers().objects == objects);
        MESSAGE(fmt::format("written by 200 threads in {:.1f} s", seconds() - start));
    }
    for (int i = 0; i < 3; ++i) {
        auto before = used_memory();
        auto start = seconds();
        auto state = open_state(place.database());
        MESSAGE(fmt::format("loaded in {:.2f} s, {} MB", seconds() - start, (used_memory() - before) >> 20));
        CHECK(state->numbers().objects == objects);
    }
}
