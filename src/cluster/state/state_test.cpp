// SPDX-License-Identifier: Apache-2.0
#include "cluster/state/state.h"

#include "cluster/state/testing_internal.h"
#include "store/sqlite.h"

using namespace pila;
using namespace pila::cluster::state;
using namespace pila::cluster::state::testing;

TEST_CASE("objects carry their revisions, in their bytes too") {
    auto state = open_state();
    CHECK(state->revision() == 0);
    auto first = state->write(put("core/pods/default/web", "1"));
    REQUIRE(first.ok());
    CHECK((*first)->bytes == text(1, "1"));
    CHECK((*first)->revision == 1);
    CHECK((*first)->create_revision == 1);
    auto write = put("core/pods/default/web", "2");
    write.attributes = "app=web";
    auto second = state->write(write);
    REQUIRE(second.ok());
    CHECK((*second)->bytes == text(2, "2"));
    CHECK((*second)->create_revision == 1);
    CHECK((*second)->attributes == "app=web");
    CHECK(state->get("core/pods/default/web") == *second);
    CHECK(state->get("core/pods/default/we") == nullptr);
    CHECK(state->get("core/services/default/web") == nullptr);
    CHECK(state->get("") == nullptr);
    CHECK((*first)->bytes == text(1, "1"));  // whoever has it keeps it
    CHECK(state->revision() == 2);
}

TEST_CASE("a deletion gives the last state under the deletion's revision") {
    auto state = open_state();
    for (int i = 0; i < 9; ++i) REQUIRE(state->write(put("core/pods/default/web", "x", i)).ok());
    auto watch = watching(*state, "core/pods/", 9, nullptr);
    auto deleted = state->write(removal("core/pods/default/web", 9));
    REQUIRE(deleted.ok());
    CHECK((*deleted)->bytes == text(10, "x"));  // "9" became "10"
    CHECK((*deleted)->is_deleted);
    CHECK((*deleted)->revision == 10);
    CHECK((*deleted)->create_revision == 1);
    CHECK(state->get("core/pods/default/web") == nullptr);
    auto events = watch->events(5);
    REQUIRE(events.ok());
    REQUIRE(events->size() == 1);
    CHECK((*events)[0].type == EventType::Deleted);
    CHECK((*events)[0].object == *deleted);
    CHECK((*events)[0].previous->bytes == text(9, "x"));
    auto again = state->write(put("core/pods/default/web", "y", 0));
    REQUIRE(again.ok());
    CHECK((*again)->create_revision == 11);
}

TEST_CASE("expectations") {
    auto state = open_state();
    REQUIRE(state->write(put("core/pods/default/a", "1", 0)).ok());
    CHECK(refused(state->write(put("core/pods/default/a", "2", 0))) == Errc::AlreadyExists);
    CHECK(refused(state->write(put("core/pods/default/a", "2", 7))) == Errc::Conflict);
    CHECK(refused(state->write(put("core/pods/default/b", "2", 1))) == Errc::NotFound);
    CHECK(refused(state->write(removal("core/pods/default/a", 7))) == Errc::Conflict);
    CHECK(refused(state->write(removal("core/pods/default/b"))) == Errc::NotFound);
    CHECK(refused(state->write(removal("core/pods/default/b", 1))) == Errc::NotFound);
    CHECK(state->revision() == 1);  // refusals take none
    CHECK(names(state->list("core/pods/", "", 0, 0)->objects) == "a@1");
    REQUIRE(state->write(put("core/pods/default/a", "2", 1)).ok());
    REQUIRE(state->write(removal("core/pods/default/a", 2)).ok());
    CHECK(state->revision() == 3);
}

TEST_CASE("what is no key, and what is no object, is refused") {
    auto state = open_state();
    for (const char* key : {"", "/", "core", "core/pods", "core/pods/"})
        CHECK(refused(state->write(put(key, "1"))) == Errc::Invalid);
    CHECK(refused(state->write(put(std::string("core/pods/a\0b", 13), "1"))) == Errc::Invalid);
    CHECK(refused(state->write(put("core/pods/" + std::string(5000, 'x'), "1"))) == Errc::Invalid);
    auto misplaced = put("core/pods/a", "1");
    misplaced.revision_at = 100;
    CHECK(refused(state->write(misplaced)) == Errc::Invalid);
    CHECK(refused(state->write(put("core/pods/a", std::string(65U << 20, 'x')))) == Errc::Exhausted);
    CHECK(state->list("core", "", 0, 0).error().code() == Errc::Invalid);
    CHECK(state->watch("core/pods", 0, nullptr).error().code() == Errc::Invalid);
    CHECK(state->revision() == 0);
    auto bare = put("core/pods/a", "");
    bare.bytes = "";
    bare.revision_at = 0;
    CHECK((*state->write(bare))->bytes == "1");
}

TEST_CASE("lists: prefixes, order, pages") {
    auto state = open_state();
    for (const char* name : {"b/2", "a/1", "b/10", "b-/1", "b/1", "c/1", "b0/1"})
        REQUIRE(state->write(put(std::string("core/pods/") + name, "x")).ok());
    REQUIRE(state->write(put("core/podsets/b/1", "x")).ok());
    CHECK(names(state->list("core/pods/b/", "", 0, 0)->objects) == "1@5 10@3 2@1");
    CHECK(state->list("core/pods/", "", 0, 0)->objects.size() == 7);
    CHECK(state->list("core/pods/d/", "", 0, 0)->objects.empty());
    auto none = state->list("apps/nothing/", "", 0, 0);
    CHECK(none->objects.empty());
    CHECK(none->revision == 8);
    auto first = state->list("core/pods/b/", "", 2, 0);
    CHECK(names(first->objects) == "1@5 10@3");
    CHECK(first->remaining == 1);
    CHECK(first->revision == 8);
    auto second = state->list("core/pods/b/", "core/pods/b/10", 2, first->revision);
    CHECK(names(second->objects) == "2@1");
    CHECK(second->remaining == 0);
    CHECK(state->list("core/pods/b/", "core/pods/b/2", 2, 0)->objects.empty());
    CHECK(state->list("core/pods/b/", "core/pods/z", 2, 0)->objects.empty());
    CHECK(names(state->list("core/pods/b/", "core/pods/a", 1, 0)->objects) == "1@5");
    CHECK(names(state->list("core/pods/b/", "core/pods/b/1a", 0, 0)->objects) == "2@1");
}

TEST_CASE("a list continues at its own revision, whatever has changed since") {
    auto state = open_state();
    for (int i = 0; i < 100; ++i) REQUIRE(state->write(put("core/pods/default/" + std::to_string(100 + i), "x")).ok());
    auto page = state->list("core/pods/", "", 10, 0);
    auto all = page->objects;
    CHECK(page->remaining == 90);
    for (int i = 0; i < 100; i += 3)
        REQUIRE(state->write(removal("core/pods/default/" + std::to_string(100 + i))).ok());
    for (int i = 0; i < 100; i += 7)
        REQUIRE(state->write(put("core/pods/default/" + std::to_string(100 + i), "y")).ok());
    for (int i = 0; i < 100; ++i)
        REQUIRE(state->write(put("core/pods/default/" + std::to_string(100 + i) + "a", "n")).ok());
    while (page->remaining > 0) {
        auto before = page->remaining;
        page = state->list("core/pods/", all.back()->key, 10, 100);
        REQUIRE(page.ok());
        CHECK(page->revision == 100);
        CHECK(page->remaining == before - 10);
        all.insert(all.end(), page->objects.begin(), page->objects.end());
    }
    REQUIRE(all.size() == 100);
    for (int i = 0; i < 100; ++i) CHECK(all[static_cast<std::size_t>(i)]->bytes == text(i + 1, "x"));
    CHECK(state->list("core/pods/", "", 0, 0)->objects.size() == 100 + 66 + 5);
    CHECK(state->list("core/pods/", "", 0, 1'000).error().code() == Errc::Unavailable);
}

TEST_CASE("what was written is there after reopening, and the counter goes on") {
    TemporaryDirectory directory;
    {
        auto state = open_state(directory.database());
        auto write = put("core/pods/default/a", "1");
        write.attributes = std::string("app=a\0b", 7);
        REQUIRE(state->write(write).ok());
        REQUIRE(state->write(put("core/pods/default/b", "2")).ok());
        REQUIRE(state->write(put("core/pods/default/b", "3")).ok());
        REQUIRE(state->write(put("apps/deployments/default/a", "4")).ok());
        REQUIRE(state->write(put("core/pods/default/c", "5")).ok());
        REQUIRE(state->write(removal("core/pods/default/c")).ok());
    }
    auto state = open_state(directory.database());
    CHECK(state->revision() == 6);
    CHECK(names(state->list("core/pods/", "", 0, 0)->objects) == "a@1 b@3");
    auto a = state->get("core/pods/default/a");
    CHECK(a->bytes == text(1, "1"));
    CHECK(a->attributes == std::string("app=a\0b", 7));
    CHECK(state->get("core/pods/default/b")->create_revision == 2);
    CHECK(state->get("core/pods/default/b")->bytes == text(3, "3"));
    CHECK(state->numbers().objects == 3);
    // What happened before the start is not known any more.
    CHECK(state->watch("core/pods/", 5, nullptr).error().code() == Errc::Gone);
    CHECK(state->watch("core/secrets/", 5, nullptr).error().code() == Errc::Gone);
    CHECK(state->list("core/pods/", "", 0, 5).error().code() == Errc::Gone);
    CHECK(state->watch("core/pods/", 6, nullptr).ok());
    CHECK((*state->write(put("core/pods/default/b", "7", 3)))->revision == 7);
    CHECK(names(state->list("core/pods/", "", 0, 6)->objects) == "a@1 b@3");
    struct stat info {};
    REQUIRE(::stat(directory.database().c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
}

TEST_CASE("the counter never goes back, whatever was deleted") {
    TemporaryDirectory directory;
    Revision newest = 0;
    for (int round = 0; round < 6; ++round) {
        auto state = open_state(directory.database());
        CHECK(state->revision() == newest);
        if (round % 2 == 0) REQUIRE(state->write(put("core/pods/default/a", "x")).ok());
        if (round % 3 != 0) REQUIRE(state->write(put("core/pods/default/b", "x")).ok());
        if (round % 2 == 1) REQUIRE(state->write(removal("core/pods/default/a")).ok());
        newest = state->revision();
    }
    CHECK(newest > 6);
}

TEST_CASE("foreign, damaged, newer and busy databases are refused with a reason") {
    TemporaryDirectory directory;
    auto message = [&](const std::string& path) {
        auto opened = State::open(path);
        REQUIRE_FALSE(opened.ok());
        return opened.error().message();
    };
    {
        auto state = open_state(directory.database());
        REQUIRE(state->write(put("core/pods/default/a", "1")).ok());
        CHECK(message(directory.database()).find("another process has it open") != std::string::npos);
    }
    auto change = [&](const char* sql) {
        auto raw = store::Connection::open(directory.database());
        REQUIRE(raw.ok());
        REQUIRE(raw->execute(sql).ok());
    };
    change("UPDATE object SET revision = 5");
    CHECK(message(directory.database()).find("core/pods/default/a is damaged") != std::string::npos);
    change("UPDATE object SET revision = 1");
    change("INSERT INTO object SELECT 2, 1, revision_at, key, attributes, bytes FROM object");
    CHECK(message(directory.database()).find("core/pods/default/a is there twice") != std::string::npos);
    change("DELETE FROM object WHERE create_revision = 2");
    CHECK(open_state(directory.database())->revision() == 1);
    change("UPDATE meta SET value = 9 WHERE name = 'schema'");
    CHECK(message(directory.database()).find("schema is 9") != std::string::npos);
    std::string foreign = directory.path + "/foreign.db";
    REQUIRE(store::Connection::open(foreign)->execute("CREATE TABLE theirs(x)").ok());
    CHECK(message(foreign).find("another program") != std::string::npos);
    REQUIRE(os::replace_file(directory.path + "/garbage.db", std::string(8192, 'x')).ok());
    message(directory.path + "/garbage.db");
    message(directory.path + "/no/such/directory.db");
}

TEST_CASE("numbers") {
    auto state = open_state();
    REQUIRE(state->write(put("core/pods/a", "12345")).ok());
    auto bytes = state->get("core/pods/a")->bytes.size() + 11;
    CHECK(state->numbers().objects == 1);
    CHECK(state->numbers().bytes == bytes);
    CHECK(state->numbers().old_bytes == 0);
    REQUIRE(state->write(put("core/pods/a", "12345")).ok());
    CHECK(state->numbers().objects == 1);
    CHECK(state->numbers().bytes == bytes);
    CHECK(state->numbers().old_bytes == bytes + sizeof(Object));
    REQUIRE(state->write(removal("core/pods/a")).ok());
    CHECK(state->numbers().objects == 0);
    CHECK(state->numbers().bytes == 0);
    CHECK(state->numbers().old_bytes == 3 * (bytes + sizeof(Object)));
    CHECK(state->numbers().writes == 3);
    CHECK(state->numbers().commits == 3);
}
