// SPDX-License-Identifier: Apache-2.0
#include "snapshot/snapshot.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstdlib>

#include <doctest/doctest.h>

#include "os/file.h"
#include "snapshot/overlay_mount.h"

using namespace pila;
using namespace pila::snapshot;

namespace {

struct Scratch {
    std::string top, path;
    explicit Scratch(const char* suffix = "") {
        const char* base = std::getenv("TMPDIR");
        top = std::string(base ? base : "/tmp") + "/pila-snapshot-XXXXXX";
        REQUIRE(::mkdtemp(top.data()) != nullptr);
        path = top + suffix;
        REQUIRE(os::make_directories(path).ok());
    }
    ~Scratch() { ignore(os::remove_tree(top), "left over in /tmp at worst"); }

    std::string layer(const std::string& name) const {
        REQUIRE(os::make_directories(path + "/layers/" + name).ok());
        return path + "/layers/" + name;
    }
};

void write(const std::string& path, std::string_view text) {
    auto slash = path.find_last_of('/');
    REQUIRE(os::make_directories(path.substr(0, slash)).ok());
    REQUIRE(os::replace_file(path, text, 0644, os::Sync::No).ok());
}

std::string read_below(FdView mount, const std::string& path) {
    auto file = os::open_at(mount, path, O_RDONLY);
    if (!file) return "(" + file.error().message() + ")";
    return os::read_all(*file, 1 << 20).value_or("(unreadable)");
}

void write_below(FdView mount, const std::string& path, std::string_view text) {
    auto file = os::open_at(mount, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    REQUIRE_MESSAGE(file.ok(), path);
    REQUIRE(os::write_all(*file, text).ok());
}

bool can_mount(const Scratch& scratch) {
    auto snapshots = Snapshots::create(scratch.path);
    REQUIRE(snapshots.ok());
    auto mount = snapshots->mount_readonly({});
    if (!mount) MESSAGE("skipped: no overlay mounts here: " << mount.error().message());
    return mount.ok();
}

std::string listing(const std::vector<FileChange>& changes) {
    std::string out;
    for (const auto& change : changes) {
        out += "CAD"[static_cast<int>(change.kind)];
        out += " " + change.path + "\n";
    }
    return out;
}

}  // namespace

TEST_CASE("a container's root joins layers, its own files and the init layer") {
    Scratch scratch;
    if (!can_mount(scratch)) return;
    auto low = scratch.layer("low"), high = scratch.layer("high");
    write(low + "/etc/os", "low");
    write(low + "/etc/hosts", "the image's own");
    write(high + "/etc/os", "high");
    auto snapshots = Snapshots::create(scratch.path).take();
    REQUIRE(snapshots.prepare("c1").ok());
    {
        auto mounted = snapshots.mount("c1", {high, low, high});
        REQUIRE_MESSAGE(mounted.ok(), mounted.error().message());
        FdView mount = *mounted;
        CHECK(read_below(mount, "etc/os") == "high");
        CHECK(read_below(mount, "etc/hosts") == "the image's own");
        CHECK(read_below(mount, "etc/resolv.conf") == "");
        for (const char* name : {"proc", "sys", "dev/pts", "dev/shm", "dev/mqueue", "dev/console", ".dockerenv"}) {
            struct stat info {};
            CHECK_MESSAGE(::fstatat(mount.get(), name, &info, 0) == 0, name);
        }
        write_below(mount, "etc/new", "x");
        struct stat root {};
        REQUIRE(::fstat(mount.get(), &root) == 0);
        CHECK((root.st_mode & 07777) == 0755);
    }
    CHECK(os::exists(snapshots.upper_directory("c1") + "/etc/new"));
    CHECK(listing(*changes(snapshots.upper_directory("c1"), {high, low})) == "C /etc\nA /etc/new\n");
    CHECK(*tree_size(snapshots.upper_directory("c1")) == 1);
    {
        auto again = snapshots.mount("c1", {high, low});
        REQUIRE(again.ok());
        CHECK(read_below(*again, "etc/new") == "x");
    }
    REQUIRE(snapshots.remove("c1").ok());
    CHECK_FALSE(os::exists(scratch.path + "/containers/c1"));
    CHECK(snapshots.remove("c1").ok());
}

TEST_CASE("a detached mount can be put in place, and the table of mounts stays as it was") {
    Scratch scratch;
    if (!can_mount(scratch)) return;
    auto low = scratch.layer("low");
    write(low + "/file", "x");
    auto before = os::read_file("/proc/self/mountinfo", 16 << 20);
    auto snapshots = Snapshots::create(scratch.path).take();
    REQUIRE(snapshots.prepare("c1").ok());
    auto mounted = snapshots.mount("c1", {low});
    REQUIRE(mounted.ok());
    CHECK(*before == *os::read_file("/proc/self/mountinfo", 16 << 20));
    std::string target = scratch.path + "/target";
    REQUIRE(os::make_directory(target).ok());
    REQUIRE(::move_mount(mounted->get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0);
    CHECK(*os::read_file(target + "/file", 10) == "x");
    CHECK(::umount2(target.c_str(), MNT_DETACH) == 0);
}

TEST_CASE("read-only mounts of no, one and several layers") {
    Scratch scratch;
    if (!can_mount(scratch)) return;
    auto low = scratch.layer("low");
    write(low + "/file", "x");
    auto snapshots = Snapshots::create(scratch.path).take();
    for (const auto& layers : {std::vector<std::string>{}, {low}, {scratch.layer("a"), scratch.layer("b"), low}}) {
        auto mount = snapshots.mount_readonly(layers);
        REQUIRE_MESSAGE(mount.ok(), mount.error().message());
        CHECK(os::open_at(*mount, "new", O_WRONLY | O_CREAT, 0600).error().os_errno() == EROFS);
        if (!layers.empty()) CHECK(read_below(*mount, "file") == "x");
    }
}

TEST_CASE("paths that are long or hold overlay's own separators") {
    Scratch scratch((std::string("/a:b,c\\d/") + std::string(200, 'x') + "/" + std::string(200, 'y')).c_str());
    if (!can_mount(scratch)) return;
    auto low = scratch.layer("low:,");
    write(low + "/file", "x");
    auto snapshots = Snapshots::create(scratch.path).take();
    REQUIRE(snapshots.prepare("c1").ok());
    auto mount = snapshots.mount("c1", {low});
    REQUIRE_MESSAGE(mount.ok(), mount.error().message());
    CHECK(read_below(*mount, "file") == "x");
}

TEST_CASE("127 layers, Docker's limit") {
    Scratch scratch;
    if (!can_mount(scratch)) return;
    std::vector<std::string> layers;
    for (int i = 0; i < 127; ++i) {
        layers.push_back(scratch.layer(std::to_string(i)));
        write(layers.back() + "/f" + std::to_string(i), "x");
    }
    auto snapshots = Snapshots::create(scratch.path).take();
    REQUIRE(snapshots.prepare("c1").ok());
    auto mount = snapshots.mount("c1", layers);
    REQUIRE_MESSAGE(mount.ok(), mount.error().message());
    CHECK(read_below(*mount, "f0") == "x");
    CHECK(read_below(*mount, "f126") == "x");
}

TEST_CASE("a volatile root can be mounted again after it was taken down") {
    Scratch scratch;
    if (!can_mount(scratch)) return;
    auto low = scratch.layer("low");
    auto snapshots = Snapshots::create(scratch.path).take();
    REQUIRE(snapshots.prepare("c1").ok());
    for (int round = 0; round < 2; ++round) {
        auto mount = snapshots.mount("c1", {low}, Writes::Volatile);
        REQUIRE_MESSAGE(mount.ok(), mount.error().message());
        write_below(*mount, "f", "x");
    }
    CHECK(snapshots.remove("c1").ok());
}

TEST_CASE("ids on disk are shown as a user namespace maps them, and kept as it means them") {
    Scratch scratch;
    auto ids = os::UserNamespace::create({{{0, 100000, 65536}}, {{0, 200000, 65536}}});
    if (::geteuid() != 0 || !ids || !can_mount(scratch)) {
        MESSAGE("skipped: needs root");
        return;
    }
    auto snapshots = Snapshots::create(scratch.path);
    if (auto fit = snapshots->check_mapping(*ids); !fit) {
        MESSAGE("skipped: " << fit.error().message());
        return;
    }
    write(scratch.layer("base") + "/file", "x");
    REQUIRE(::chown((scratch.layer("base") + "/file").c_str(), 33, 34) == 0);
    REQUIRE(snapshots->prepare("one").ok());
    auto layers = std::vector{scratch.layer("base"), scratch.layer("base")};
    auto mount = snapshots->mount("one", layers, Writes::Volatile, &*ids);
    REQUIRE_MESSAGE(mount.ok(), mount.error().message());
    auto owner = [&](const char* name) {
        struct stat info {};
        REQUIRE(::fstatat(mount->get(), name, &info, AT_SYMLINK_NOFOLLOW) == 0);
        return std::pair(info.st_uid, info.st_gid);
    };
    CHECK(owner("file") == std::pair(100033U, 200034U));
    CHECK(owner("proc") == std::pair(100000U, 200000U));
    CHECK(owner(".") == std::pair(100000U, 200000U));
    // Changed from outside: on disk it is what the namespace means.
    REQUIRE(::fchownat(mount->get(), "file", 100007, 200008, 0) == 0);
    auto kept = os::open(snapshots->upper_directory("one") + "/file", O_PATH);
    REQUIRE(kept.ok());
    CHECK(os::stat_of(*kept)->st_uid == 7);
    CHECK(os::stat_of(*kept)->st_gid == 8);
    // Who is not in the map owns nothing there.
    CHECK(::mkdirat(mount->get(), "outsider", 0755) < 0);
    CHECK(errno == EOVERFLOW);
    CHECK(snapshots->mount_readonly(layers, &*ids).ok());
}

TEST_CASE("mount points of a killed predecessor are taken away, foreign ids refused") {
    Scratch scratch;
    auto snapshots = Snapshots::create(scratch.path);
    REQUIRE(snapshots.ok());
    REQUIRE(os::make_directory(scratch.path + "/containers/.mount-dead").ok());
    REQUIRE(Snapshots::create(scratch.path).ok());
    CHECK_FALSE(os::exists(scratch.path + "/containers/.mount-dead"));
    for (const char* id : {"", ".", "..", ".init", "a/b"})
        CHECK(snapshots->prepare(id).error().code() == Errc::Invalid);
    CHECK(snapshots->mount("missing", {}).error().code() == Errc::NotFound);
}

TEST_CASE("what a container nests without end can still be removed, and is refused to be listed") {
    Scratch scratch;
    auto snapshots = Snapshots::create(scratch.path).take();
    REQUIRE(snapshots.prepare("c1").ok());
    auto directory = os::open(snapshots.upper_directory("c1"), O_RDONLY | O_DIRECTORY).take();
    for (int i = 0; i < 5000; ++i) {
        REQUIRE(::mkdirat(directory.get(), "d", 0755) == 0);
        if (i % 100 == 0) REQUIRE(os::open_at(directory, "f", O_WRONLY | O_CREAT, 0600).ok());
        directory = os::open_at(directory, "d", O_RDONLY | O_DIRECTORY).take();
    }
    CHECK(changes(snapshots.upper_directory("c1"), {}).error().code() == Errc::Exhausted);
    CHECK(tree_size(snapshots.upper_directory("c1")).error().code() == Errc::Exhausted);
    auto removed = snapshots.remove("c1");
    CHECK_MESSAGE(removed.ok(), (removed ? "" : removed.error().message()));
    CHECK_FALSE(os::exists(snapshots.upper_directory("c1")));
}

TEST_CASE("changes as docker diff lists them, of a real overlay") {
    Scratch scratch;
    if (!can_mount(scratch)) return;
    auto low = scratch.layer("low"), high = scratch.layer("high");
    write(low + "/dir/keep", "1");
    write(low + "/dir/gone", "1");
    write(low + "/replaced/old", "1");
    write(low + "/replaced/both", "1");
    write(low + "/tree/sub/file", "1");
    write(low + "/becomes-dir", "1");
    write(low + "/becomes-file/x", "1");
    write(low + "/touched", "1");
    write(low + "/deep/a/b/c", "1");
    write(high + "/dir/high", "1");
    REQUIRE(::mknod((high + "/hidden").c_str(), S_IFCHR | 0600, makedev(0, 0)) == 0);
    write(low + "/hidden", "1");
    auto snapshots = Snapshots::create(scratch.path).take();
    REQUIRE(snapshots.prepare("c1").ok());
    {
        auto mounted = snapshots.mount("c1", {high, low});
        REQUIRE(mounted.ok());
        int root = mounted->get();
        REQUIRE(::unlinkat(root, "dir/gone", 0) == 0);
        write_below(*mounted, "dir/keep", "changed");
        REQUIRE(::unlinkat(root, "replaced/old", 0) == 0);
        REQUIRE(::unlinkat(root, "replaced/both", 0) == 0);
        REQUIRE(::unlinkat(root, "replaced", AT_REMOVEDIR) == 0);
        REQUIRE(::mkdirat(root, "replaced", 0755) == 0);
        write_below(*mounted, "replaced/both", "22");
        write_below(*mounted, "replaced/new", "x");
        REQUIRE(::unlinkat(root, "tree/sub/file", 0) == 0);
        REQUIRE(::unlinkat(root, "tree/sub", AT_REMOVEDIR) == 0);
        REQUIRE(::unlinkat(root, "tree", AT_REMOVEDIR) == 0);
        REQUIRE(::unlinkat(root, "becomes-dir", 0) == 0);
        REQUIRE(::mkdirat(root, "becomes-dir", 0755) == 0);
        write_below(*mounted, "becomes-dir/inside", "x");
        REQUIRE(::unlinkat(root, "becomes-file/x", 0) == 0);
        REQUIRE(::unlinkat(root, "becomes-file", AT_REMOVEDIR) == 0);
        write_below(*mounted, "becomes-file", "x");
        REQUIRE(::fchmodat(root, "touched", 0600, 0) == 0);
        REQUIRE(::fchmodat(root, "touched", 0644, 0) == 0);  // copied up, yet the same
        write_below(*mounted, "deep/a/b/d", "x");
        write_below(*mounted, "hidden", "visible again");
        write_below(*mounted, "short-lived", "x");
        REQUIRE(::unlinkat(root, "short-lived", 0) == 0);
        REQUIRE(::fchmodat(root, "dev/shm", 0700, 0) == 0);  // of the init layer
    }
    CHECK(listing(*changes(snapshots.upper_directory("c1"), {high, low})) ==
          "C /becomes-dir\nA /becomes-dir/inside\nC /becomes-file\n"
          "C /deep\nC /deep/a\nC /deep/a/b\nA /deep/a/b/d\n"
          "C /dev\nC /dev/shm\n"
          "C /dir\nD /dir/gone\nC /dir/keep\n"
          "A /hidden\n"
          "C /replaced\nC /replaced/both\nA /replaced/new\nD /replaced/old\n"
          "D /tree\n");
}

TEST_CASE("tree_size counts bytes of files, hard links once") {
    Scratch scratch;
    write(scratch.path + "/t/a/one", "12345");
    write(scratch.path + "/t/two", "123");
    REQUIRE(::link((scratch.path + "/t/two").c_str(), (scratch.path + "/t/a/three").c_str()) == 0);
    REQUIRE(::symlink("12", (scratch.path + "/t/link").c_str()) == 0);
    CHECK(*tree_size(scratch.path + "/t") == 10);
    CHECK(tree_size(scratch.path + "/none").error().code() == Errc::NotFound);
}

TEST_CASE("the price of a mount") {
    Scratch scratch;
    if (!can_mount(scratch)) return;
    std::vector<std::string> layers;
    for (int i = 0; i < 5; ++i) layers.push_back(scratch.layer(std::to_string(i)));
    auto snapshots = Snapshots::create(scratch.path).take();
    constexpr int rounds = 200;
    auto median = [](std::vector<double>& times) {
        std::sort(times.begin(), times.end());
        return times[times.size() / 2];
    };
    for (auto writes : {Writes::Durable, Writes::Volatile}) {
        std::vector<double> times[4];
        for (int i = 0; i < rounds; ++i) {
            std::string id = "c" + std::to_string(i);
            auto last = std::chrono::steady_clock::now();
            auto lap = [&](int step) {
                auto now = std::chrono::steady_clock::now();
                times[step].push_back(std::chrono::duration<double, std::micro>(now - last).count());
                last = now;
            };
            REQUIRE(snapshots.prepare(id).ok());
            lap(0);
            auto mount = snapshots.mount(id, layers, writes);
            lap(1);
            REQUIRE(mount.ok());
            mount->reset();
            lap(2);
            REQUIRE(snapshots.remove(id).ok());
            lap(3);
        }
        std::string kind = writes == Writes::Volatile ? "volatile" : "durable";
        MESSAGE("5 layers, " << kind << ", us: prepare " << median(times[0]) << " mount " << median(times[1])
                             << " take down " << median(times[2]) << " remove " << median(times[3]));
        CHECK(median(times[1]) < 20'000);
    }
}
