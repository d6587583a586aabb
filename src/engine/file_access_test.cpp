// SPDX-License-Identifier: Apache-2.0
#include "engine/file_access.h"

#include <atomic>
#include <optional>
#include <thread>

#include <doctest/doctest.h>

using namespace pila;
using namespace pila::engine;
using Use = FileAccess::Use;
using std::chrono::milliseconds;

namespace {

bool gets(FileAccess& access, Use use, const std::string& id = "one") {
    return access.hold(Context{}.with_timeout(milliseconds(20)), id, use).ok();
}

}  // namespace

TEST_CASE("one who is alone keeps out whoever writes, and the reverse; nobody keeps out one who looks") {
    FileAccess access;
    {
        auto alone = access.hold({}, "one", Use::Alone);
        CHECK_FALSE(gets(access, Use::Alone));
        CHECK_FALSE(gets(access, Use::Write));
        CHECK(gets(access, Use::Look));
        CHECK(gets(access, Use::Alone, "another"));
    }
    {
        auto write = access.hold({}, "one", Use::Write), look = access.hold({}, "one", Use::Look);
        CHECK(gets(access, Use::Write));
        CHECK_FALSE(gets(access, Use::Alone));
    }
    auto look = access.hold({}, "one", Use::Look);
    CHECK(gets(access, Use::Alone));
}

TEST_CASE("who waits gets its turn, and stops waiting when nobody wants it any more") {
    FileAccess access;
    auto first = std::make_optional(access.hold({}, "one", Use::Alone).take());
    std::atomic<bool> got = false;
    std::thread second([&] { got = access.hold({}, "one", Use::Alone).ok(); });
    std::stop_source stop;
    Context context;
    context.stop = stop.get_token();
    std::thread third([&] { CHECK_FALSE(access.hold(context, "one", Use::Write).ok()); });
    stop.request_stop();
    third.join();
    CHECK_FALSE(got);
    first.reset();
    second.join();
    CHECK(got);
}

TEST_CASE("a removal waits, then asks to stop, and does not wait for ever") {
    FileAccess access;
    access.clear_out("one", milliseconds(0), milliseconds(0));  // nobody there
    auto deaf = access.hold({}, "one", Use::Look).take();
    CHECK_FALSE(deaf.stop().stop_requested());
    access.clear_out("one", milliseconds(1), milliseconds(1));
    CHECK(deaf.stop().stop_requested());

    std::thread obedient(
        [hold = std::make_shared<FileAccess::Hold>(access.hold({}, "two", Use::Alone).take())]() mutable {
            while (!hold->stop().stop_requested()) std::this_thread::yield();
            hold.reset();
        });
    access.clear_out("two", milliseconds(1), std::chrono::seconds(60));
    CHECK(gets(access, Use::Alone, "two"));
    obedient.join();
}
