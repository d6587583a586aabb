// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <sys/wait.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <thread>

#include <doctest/doctest.h>

#include "os/file.h"
#include "store/sqlite.h"

using namespace pila;
using namespace pila::store;

namespace {

struct TemporaryDirectory {
    std::string path;
    TemporaryDirectory() {
        char name[] = "/tmp/pila-store-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~TemporaryDirectory() { ignore(os::remove_tree(path), "left over in /tmp at worst"); }
    std::string database() const { return path + "/node.db"; }
};

std::unique_ptr<Store> open_store(const std::string& path, Durability durability = Durability::Relaxed) {
    auto store = Store::open(path, durability);
    if (!store) FAIL(store.error().message());
    return store.take();
}

std::string value_of(Store& store, std::string_view key) {
    auto entry = store.get(key);
    REQUIRE(entry.ok());
    return *entry ? (*entry)->value : "(none)";
}

}  // namespace

TEST_CASE("put, get, remove count revisions") {
    TemporaryDirectory directory;
    auto store = open_store(directory.database());
    CHECK(store->revision() == 0);
    CHECK(*store->put("a", "1") == 1);
    CHECK(*store->put("b", std::string_view("\0x", 2)) == 2);
    CHECK(*store->put("a", "") == 3);
    auto entry = *store->get("a");
    REQUIRE(entry.has_value());
    CHECK(entry->value.empty());
    CHECK(entry->revision == 3);
    CHECK(entry->create_revision == 1);
    CHECK(value_of(*store, "b") == std::string("\0x", 2));
    CHECK(*store->remove("a") == 4);
    CHECK(value_of(*store, "a") == "(none)");
    CHECK(*store->put("a", "again") == 5);
    CHECK((*store->get("a"))->create_revision == 5);
    CHECK(store->remove("never there").ok());
}

TEST_CASE("range lists a prefix in key order, to its very end") {
    TemporaryDirectory directory;
    auto store = open_store(directory.database());
    for (const char* key : {"image/b", "image/a", "image/\xff\xff", "image0", "imag", "image/", "\xff\xff", "\xff"})
        REQUIRE(store->put(key, key).ok());
    auto keys = [&](std::string_view prefix) {
        std::string out;
        auto entries = store->range(prefix).take();
        for (const auto& entry : entries) out += entry.key + " ";
        return out;
    };
    CHECK(keys("image/") == "image/ image/a image/b image/\xff\xff ");
    CHECK(keys("image/a") == "image/a ");
    CHECK(keys("nothing") == "");
    CHECK(keys("\xff") == "\xff \xff\xff ");
    CHECK(store->range("")->size() == 8);
}

TEST_CASE("a transaction happens whole or not at all") {
    TemporaryDirectory directory;
    auto store = open_store(directory.database());
    REQUIRE(store->put("name", "one").ok());
    auto refused = store->transact({{.key = "other", .value = "x"}, {.key = "name", .value = "two", .expect = 7}});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() == Errc::Conflict);
    CHECK(value_of(*store, "other") == "(none)");
    CHECK(store->revision() == 1);
    auto applied = store->transact(
        {{.key = "new", .value = "x", .expect = 0}, {.key = "name", .value = std::nullopt, .expect = 1}});
    REQUIRE(applied.ok());
    CHECK((*store->get("new"))->revision == *applied);
    CHECK(value_of(*store, "name") == "(none)");
    CHECK(store->transact({{.key = "new", .value = "y", .expect = 0}}).error().code() == Errc::Conflict);
    CHECK(store->put("", "x").error().code() == Errc::Invalid);
    CHECK(store->put(std::string("a\0b", 3), "x").error().code() == Errc::Invalid);
    CHECK(*store->put("after", "x") == *applied + 1);
}

TEST_CASE("what was written is there after reopening, and the counter goes on") {
    TemporaryDirectory directory;
    {
        auto store = open_store(directory.database(), Durability::Durable);
        REQUIRE(store->put("a", "1").ok());
        REQUIRE(store->put("b", "2").ok());
        REQUIRE(store->remove("b").ok());
    }
    auto store = open_store(directory.database());
    CHECK(store->revision() == 3);
    CHECK(value_of(*store, "a") == "1");
    CHECK(*store->put("c", "3") == 4);
    struct stat info {};
    REQUIRE(::stat(directory.database().c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("foreign, damaged, newer and busy databases are refused with a reason") {
    TemporaryDirectory directory;
    {
        auto store = open_store(directory.database());
        REQUIRE(store->put("a", "1").ok());
        auto second = Store::open(directory.database(), Durability::Relaxed);
        REQUIRE_FALSE(second.ok());
        CHECK(second.error().message().find("another process has it open") != std::string::npos);
    }
    {
        auto raw = Connection::open(directory.database());
        REQUIRE(raw.ok());
        REQUIRE(raw->execute("UPDATE meta SET value = 9 WHERE name = 'schema'").ok());
    }
    auto newer = Store::open(directory.database(), Durability::Relaxed);
    REQUIRE_FALSE(newer.ok());
    CHECK(newer.error().code() == Errc::Unsupported);
    CHECK(newer.error().message().find("written by a newer pila (schema 9") != std::string::npos);

    std::string foreign = directory.path + "/foreign.db";
    {
        auto raw = Connection::open(foreign);
        REQUIRE(raw->execute("CREATE TABLE theirs(x)").ok());
    }
    CHECK(Store::open(foreign, Durability::Relaxed).error().code() == Errc::Invalid);

    std::string garbage = directory.path + "/garbage.db";
    REQUIRE(os::replace_file(garbage, std::string(8192, 'x')).ok());
    CHECK_FALSE(Store::open(garbage, Durability::Relaxed).ok());
    CHECK_FALSE(Store::open(directory.path + "/no/such/directory.db", Durability::Relaxed).ok());
}

TEST_CASE("threads write at once and no revision is lost or given twice") {
    TemporaryDirectory directory;
    auto store = open_store(directory.database());
    constexpr int writers = 4, each = 500;
    std::vector<std::vector<Revision>> given(writers);
    std::vector<std::thread> threads;
    for (int writer = 0; writer < writers; ++writer)
        threads.emplace_back([&, writer] {
            for (int i = 0; i < each; ++i) {
                auto revision =
                    store->put("w" + std::to_string(writer) + "/" + std::to_string(i), std::string(100, 'v'));
                if (revision) given[static_cast<std::size_t>(writer)].push_back(*revision);
                if (i % 50 == 0 && !store->range("w").ok()) return;
            }
        });
    for (auto& thread : threads) thread.join();
    std::vector<bool> seen(writers * each + 1);
    for (const auto& revisions : given) {
        CHECK(revisions.size() == each);
        for (auto revision : revisions) {
            REQUIRE(revision <= writers * each);
            CHECK_FALSE(seen[static_cast<std::size_t>(revision)]);
            seen[static_cast<std::size_t>(revision)] = true;
        }
    }
    CHECK(store->range("w")->size() == writers * each);
}

TEST_CASE("a process killed while it writes leaves whole transactions, and all it was told are there") {
    for (int round = 0; round < 5; ++round) {
        TemporaryDirectory directory;
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        pid_t child = ::fork();
        if (child == 0) {
            auto store = Store::open(directory.database(), Durability::Relaxed);
            if (!store) ::_exit(1);
            for (int i = 0;; ++i) {
                std::vector<Change> changes;
                for (int key = 0; key < 20; ++key)
                    changes.push_back(
                        {.key = "k" + std::to_string(key), .value = std::to_string(i) + std::string(2000, '.')});
                auto revision = (*store)->transact(changes);
                if (!revision || ::write(ends[1], &*revision, sizeof(Revision)) < 0) ::_exit(1);
            }
        }
        ::close(ends[1]);
        Revision told = 0;
        for (int i = 0; i < 40 + round * 7; ++i) REQUIRE(::read(ends[0], &told, sizeof told) == sizeof told);
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        for (Revision later = 0; ::read(ends[0], &later, sizeof later) == sizeof later;) told = later;
        ::close(ends[0]);

        auto store = open_store(directory.database());
        CHECK(store->revision() >= told);
        auto entries = store->range("k").take();
        REQUIRE(entries.size() == 20);
        for (const auto& entry : entries) {
            CHECK(entry.value == entries[0].value);
            CHECK(entry.revision == store->revision());
        }
    }
}

TEST_CASE("the price of a put") {
    TemporaryDirectory directory;
    auto store = open_store(directory.database());
    constexpr int puts = 5000;
    std::string value(1500, 'v');
    auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < puts; ++i) REQUIRE(store->put("container/" + std::to_string(i % 200), value).ok());
    auto spent = std::chrono::steady_clock::now() - begin;
    auto each = std::chrono::duration_cast<std::chrono::nanoseconds>(spent).count() / puts;
    MESSAGE("a put of 1500 bytes: " << each / 1000.0 << " us");
    CHECK(each < 2'000'000);  // a broken setting (a sync each) shows; the real figure is in the README
}
