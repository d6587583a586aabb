// SPDX-License-Identifier: Apache-2.0
// The disk as the writer meets it: slow, failing, full.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <thread>

#include "base/mutex.h"
#include "cluster/state/state.h"
#include "cluster/state/testing_internal.h"

using namespace pila;
using namespace pila::cluster::state;
using namespace pila::cluster::state::testing;

namespace {

// Stands between SQLite and the system's fdatasync(2) in this program.
struct Syncs {
    Mutex mutex;
    Condition changed;
    int count GUARDED_BY(mutex) = 0;
    int fail_with GUARDED_BY(mutex) = 0;
    bool is_held GUARDED_BY(mutex) = false;
    bool is_waiting GUARDED_BY(mutex) = false;

    int enter() {
        Lock lock(mutex);
        ++count;
        is_waiting = is_held;
        changed.notify_all();
        while (is_held) changed.wait(lock);
        is_waiting = false;
        return fail_with;
    }
    void hold(bool held) {
        Lock lock(mutex);
        is_held = held;
        changed.notify_all();
    }
    void fail(int with) {
        Lock lock(mutex);
        fail_with = with;
    }
    void await() {
        Lock lock(mutex);
        while (!is_waiting) changed.wait(lock);
    }
    int counted() {
        Lock lock(mutex);
        return count;
    }
};

Syncs syncs;

bool is_interposed() {
    TemporaryDirectory directory;
    auto state = open_state(directory.database());
    auto before = syncs.counted();
    REQUIRE(state->write(put("core/pods/default/a", "1")).ok());
    return syncs.counted() > before;
}

}  // namespace

extern "C" int fdatasync(int file) {
    if (int error = syncs.enter(); error != 0) {
        errno = error;
        return -1;
    }
    return static_cast<int>(::syscall(SYS_fdatasync, file));
}

TEST_CASE("nobody sees or hears of a change before the disk has it, and nobody waits for the disk to read") {
    REQUIRE(is_interposed());
    TemporaryDirectory directory;
    auto state = open_state(directory.database());
    REQUIRE(state->write(put("core/pods/default/a", "1")).ok());
    std::atomic<int> wakes = 0;
    auto watch = watching(*state, "core/pods/", 1, [&] { ++wakes; });
    auto before = syncs.counted();

    syncs.hold(true);
    std::atomic<bool> is_acknowledged = false;
    std::thread writer([&] {
        CHECK(state->write(put("core/pods/default/a", "2")).ok());
        is_acknowledged = true;
    });
    syncs.await();
    CHECK_FALSE(is_acknowledged);
    CHECK(wakes == 0);
    CHECK(state->revision() == 1);
    CHECK(state->get("core/pods/default/a")->bytes == text(1, "1"));
    CHECK(names(state->list("core/pods/", "", 0, 0)->objects) == "a@1");
    CHECK(told(watch->events(10)) == "");
    CHECK(state->watch("core/pods/", 1, nullptr).ok());
    CHECK(state->numbers().commits == 1);
    // What comes while one commit is under way goes into the next, together.
    std::vector<std::thread> more;
    for (int i = 0; i < 8; ++i)
        more.emplace_back([&, i] { CHECK(state->write(put("core/pods/default/" + std::to_string(i), "x")).ok()); });
    syncs.hold(false);
    writer.join();
    for (auto& thread : more) thread.join();
    CHECK(told(watch->events(1)) == "=a@2");
    CHECK(wakes >= 1);
    CHECK(state->revision() == 10);
    CHECK(syncs.counted() - before >= 2);
    auto commits = static_cast<int>(state->numbers().commits);
    CHECK(syncs.counted() >= before + commits - 1);
}

TEST_CASE("each acknowledged write has its sync") {
    TemporaryDirectory directory;
    auto state = open_state(directory.database());
    for (int i = 0; i < 20; ++i) {
        auto before = syncs.counted();
        REQUIRE(state->write(put("core/pods/default/a", "x")).ok());
        CHECK(syncs.counted() > before);
        before = syncs.counted();
        CHECK(refused(state->write(put("core/pods/default/a", "x", 0))) == Errc::AlreadyExists);
        CHECK(syncs.counted() == before);  // nothing changed, nothing to wait for
    }
}

TEST_CASE("a commit that fails changes nothing, and the next one works") {
    TemporaryDirectory directory;
    {
        auto state = open_state(directory.database());
        REQUIRE(state->write(put("core/pods/default/a", "1")).ok());
        auto watch = watching(*state, "core/pods/", 1, nullptr);
        for (int error : {EIO, ENOSPC}) {
            syncs.fail(error);
            auto failed = state->write(put("core/pods/default/a", "2", 1));
            auto removed = state->write(removal("core/pods/default/a", 1));
            syncs.fail(0);
            CHECK(refused(failed) == (error == EIO ? Errc::Internal : Errc::Exhausted));
            CHECK(refused(removed) == (error == EIO ? Errc::Internal : Errc::Exhausted));
            CHECK(state->get("core/pods/default/a")->bytes == text(1, "1"));
            CHECK(state->revision() == 1);
            CHECK(told(watch->events(10)) == "");
        }
        auto written = state->write(put("core/pods/default/a", "3", 1));
        REQUIRE(written.ok());
        CHECK((*written)->revision == 2);
        CHECK(told(watch->events(10)) == "=a@2");
    }
    CHECK(open_state(directory.database())->get("core/pods/default/a")->bytes == text(2, "3"));
}

TEST_CASE("a file that may not grow") {
    TemporaryDirectory directory;
    auto data = std::string(100'000, 'x');
    {
        auto state = open_state(directory.database());
        REQUIRE(state->write(put("core/pods/default/a", "1")).ok());
        struct rlimit usual {};
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &usual) == 0);
        auto handler = ::signal(SIGXFSZ, SIG_IGN);
        struct rlimit little = usual;
        little.rlim_cur = 1U << 20;
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &little) == 0);
        int fitted = 0;
        Result<ObjectPointer> last = ObjectPointer();
        while ((last = state->write(put("core/pods/default/" + std::to_string(fitted), data))).ok()) ++fitted;
        auto small = state->write(put("core/pods/default/a", "2"));
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &usual) == 0);
        ::signal(SIGXFSZ, handler);
        CHECK(last.error().code() == Errc::Exhausted);
        CHECK(fitted > 3);
        CHECK(state->revision() == 1 + fitted + (small.ok() ? 1 : 0));
        CHECK(state->list("core/pods/", "", 0, 0)->objects.size() == static_cast<std::size_t>(fitted) + 1);
        REQUIRE(state->write(put("core/pods/default/b", data)).ok());
    }
    CHECK(open_state(directory.database())->get("core/pods/default/b") != nullptr);
}

namespace {

// In a mount namespace of the calling thread's, and of those it starts: gone with them.
bool mount_small(const std::string& path) {
    return ::unshare(CLONE_FS | CLONE_NEWNS) == 0 &&
           ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
           ::mount("tmpfs", path.c_str(), "tmpfs", 0, "size=4m") == 0;
}

void fill_disk(const std::string& path) {
    auto database = path + "/cluster.db";
    auto data = std::string(50'000, 'x');
    auto key_of = [](int number) { return "core/pods/default/" + std::to_string(number); };
    CHECK(os::replace_file(path + "/other", std::string(1U << 20, 'x')).ok());
    for (int i = 0; i < 15; ++i) CHECK(open_state(database)->write(put(key_of(i % 10), data)).ok());
    auto state = open_state(database);
    // The log takes what there is, and again: changes go on for as long as one likes.
    for (int i = 0; i < 200; ++i) CHECK(state->write(put(key_of(i % 10), data)).ok());
    CHECK(state->revision() == 215);

    Result<ObjectPointer> last = ObjectPointer();
    int objects = 10;
    while (objects < 1'000 && (last = state->write(put(key_of(objects), data))).ok()) ++objects;
    CHECK_FALSE(last.ok());
    if (last.ok()) return;
    CHECK(last.error().code() == Errc::Exhausted);
    CHECK(objects > 20);
    CHECK(state->revision() == 205 + objects);
    CHECK(state->list("core/pods/", "", 0, 0)->objects.size() == static_cast<std::size_t>(objects));
    // Somebody makes room.
    CHECK(os::remove_file(path + "/other").ok());
    CHECK(state->write(removal(key_of(0))).ok());
    CHECK(state->write(put(key_of(objects), data)).ok());
    auto page = state->list("core/pods/", "", 0, 0).take();
    state.reset();
    CHECK(names(open_state(database)->list("core/pods/", "", 0, 0)->objects) == names(page.objects));
}

}  // namespace

TEST_CASE("a full disk: refused as exhausted, nothing is lost, and it goes on when there is room") {
    TemporaryDirectory directory;
    auto mounted = directory.path + "/full";
    REQUIRE(os::make_directory(mounted).ok());
    bool is_mounted = false;
    std::thread alone([&] {
        is_mounted = mount_small(mounted);
        if (is_mounted) fill_disk(mounted);
    });
    alone.join();
    if (!is_mounted) MESSAGE("skipped: needs root for a small file system");
}
