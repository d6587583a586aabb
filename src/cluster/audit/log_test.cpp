// SPDX-License-Identifier: Apache-2.0
// The audit log's file: put aside when it is full, and what becomes of it when something fails.
#include "cluster/audit/log.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "base/time.h"
#include "os/file.h"

using namespace pila;
using namespace pila::cluster::audit;

namespace {

struct Place {
    std::string directory = "/tmp/pila-audit-XXXXXX";
    Place() { REQUIRE(::mkdtemp(directory.data()) != nullptr); }
    ~Place() { ignore(os::remove_tree(directory), "left over in /tmp at worst"); }

    std::string path() const { return directory + "/audit.log"; }
    LogOptions options(std::uint64_t max_bytes) const { return {path(), max_bytes}; }
    std::vector<std::string> files() const { return os::list_directory(directory).take(); }
    std::string text(const std::string& name) const { return os::read_file(directory + "/" + name, 1 << 20).take(); }
    void make(const std::string& name) const {
        REQUIRE(os::replace_file(directory + "/" + name, "x\n", 0600, os::Sync::No).ok());
    }
    bool has(const std::string& name) const { return os::exists(directory + "/" + name); }
};

std::string days_ago(int days) {
    auto text = rfc3339_nano({now_wall().nanoseconds - days * 86'400'000'000'000}).substr(0, 19) + ".000";
    text[13] = text[16] = '-';
    return "audit-" + text + ".log";
}

}  // namespace

TEST_CASE("a full file is put aside, no line is lost or cut") {
    Place place;
    auto log = Log::open(place.options(100)).take();
    std::string all;
    for (int i = 0; i < 50; ++i) {
        auto line = "line " + std::to_string(i) + std::string(i % 40, '.');
        log->write(line);
        all += line + "\n";
    }
    log->write(std::string(500, 'l'));  // too long for any: has one for itself
    std::string found;
    auto files = place.files();
    REQUIRE(files.size() > 10);
    CHECK(files.back() == "audit.log");
    CHECK(place.text("audit.log") == std::string(500, 'l') + "\n");
    files.pop_back();
    for (const auto& name : files) {
        CHECK(name.size() == days_ago(0).size());
        CHECK(place.text(name).size() <= 100);
        found += place.text(name);
    }
    CHECK(found == all);
}

TEST_CASE("those put aside are as many and as old as they may be") {
    Place place;
    for (int days : {1, 2, 3, 9}) place.make(days_ago(days));
    for (auto other : {"audit-.log", "audit-2026-11-24.log", "audit-old.log", "other-2020-01-01T00-00-00.000.log"})
        place.make(other);
    auto options = place.options(10);
    options.max_days = 5;
    auto log = Log::open(options).take();
    CHECK_FALSE(place.has(days_ago(9)));
    CHECK(place.has(days_ago(3)));
    options.max_backups = 3;
    log = Log::open(options).take();
    CHECK(place.has(days_ago(3)));
    log->write("one");
    log->write("that is more");
    CHECK_FALSE(place.has(days_ago(3)));
    CHECK(place.has(days_ago(2)));
    for (auto other : {"audit-.log", "audit-2026-11-24.log", "audit-old.log", "other-2020-01-01T00-00-00.000.log"})
        CHECK(place.has(other));
}

TEST_CASE("others may take the file away, or empty it") {
    Place place;
    auto log = Log::open(place.options(20)).take();
    log->write("0123456789");
    REQUIRE(os::rename(place.path(), place.directory + "/taken").ok());
    log->write("0123456789");
    CHECK(place.text("taken") == "0123456789\n");
    CHECK(place.text("audit.log") == "0123456789\n");
    REQUIRE(::truncate(place.path().c_str(), 0) == 0);
    log->write("0123456789");
    CHECK(place.files() == std::vector<std::string>{"audit.log", "taken"});
}

TEST_CASE("a line that does not fit on the disk leaves nothing behind") {
    Place place;
    auto log = Log::open(place.options(1 << 20)).take();
    log->write("first");
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    auto* handler = ::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{10, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    log->write("second, too long");
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    ::signal(SIGXFSZ, handler);
    log->write("third");
    CHECK(place.text("audit.log") == "first\nthird\n");
}

TEST_CASE("what is no file, and what cannot be made") {
    Place place;
    LogOptions options{"/dev/full", 10};
    auto log = Log::open(options).take();
    log->write("told of in the daemon's log");
    CHECK_FALSE(Log::open({place.directory, 10}));
    CHECK_FALSE(Log::open({place.directory + "/nosuch/audit.log", 10}));
}
