// SPDX-License-Identifier: Apache-2.0
#include "engine/file_view.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cstdlib>

#include <doctest/doctest.h>

#include "os/file.h"
#include "os/mount.h"

using namespace pila;
using namespace pila::engine;

namespace {

struct Tree {
    std::string path = [] {
        char name[] = "/tmp/file-view-XXXXXX";
        return std::string(::mkdtemp(name));
    }();
    ~Tree() { ignore(os::remove_tree(path), "a leftover in /tmp"); }
    Fd open() const { return os::open(path, O_PATH | O_DIRECTORY).take(); }
    void directory(const std::string& name) const { REQUIRE(os::make_directories(path + name).ok()); }
    void file(const std::string& name, const std::string& text) const {
        REQUIRE(os::replace_file(path + name, text).ok());
    }
    void link(const std::string& name, const std::string& to) const {
        REQUIRE(::symlink(to.c_str(), (path + name).c_str()) == 0);
    }
};

std::string text_of(FdView root, const std::string& path) {
    auto file = os::open_in_root(root, path, O_RDONLY);
    return file ? os::read_all(*file, 1000).value_or("(unreadable)")
                : "(" + std::to_string(file.error().os_errno()) + ")";
}

}  // namespace

TEST_CASE("links are followed below the root only, as far as there is something") {
    Tree tree;
    tree.directory("/d/sub");
    tree.link("/way", "/d");
    tree.link("/d/up", "../../../../../d/sub");
    tree.link("/d/gone", "nowhere/../x");
    tree.link("/a", "b");
    tree.link("/b", "a");
    auto root = tree.open();
    CHECK(*resolve_links(root, "/") == "/");
    CHECK(*resolve_links(root, "/way/sub") == "/d/sub");
    CHECK(*resolve_links(root, "/way/up/") == "/d/sub");
    CHECK(*resolve_links(root, "/way/up/..") == "/d");
    CHECK(*resolve_links(root, "/d/gone/y") == "/d/x/y");
    CHECK(*resolve_links(root, "/../../etc/nosuch") == "/etc/nosuch");
    CHECK(resolve_links(root, "/a/x").error().code() == Errc::Invalid);
}

TEST_CASE("a view: its root and its mounts, seen from anywhere, in no mount table, gone with it") {
    if (::geteuid() != 0) {
        MESSAGE("skipped: needs root");
        return;
    }
    auto mounts = os::read_file("/proc/self/mountinfo", 1U << 20).value_or("");
    Tree bound, place;
    bound.file("/in", "bound");
    ViewPlan plan;
    plan.root = os::new_mount("tmpfs", "tmpfs", "size=1m", 0).take();
    plan.place = place.path;
    plan.mounts = {{bound.path, "/deep/data"}, {bound.path + "/in", "/etc/file", true}, {"", "/scratch"}};
    auto view = FileView::create(std::move(plan));
    REQUIRE_MESSAGE(view.ok(), view.error().message());
    CHECK(text_of(view->root(), "/deep/data/in") == "bound");
    CHECK(text_of(view->root(), "/etc/file") == "bound");
    CHECK(text_of(view->root(), "/scratch") == "(2)");
    CHECK(os::open_in_root(view->root(), "/etc/file", O_WRONLY).error().os_errno() == EROFS);
    CHECK(os::read_file("/proc/self/mountinfo", 1U << 20).value_or("") == mounts);

    SUBCASE("a mount point is one only inside") {
        auto etc = os::open_in_root(view->root(), "/etc", O_PATH).take();
        CHECK(view->run_inside([&]() -> Result<void> {
                      CHECK(::unlinkat(etc.get(), "file", 0) < 0);
                      CHECK(errno == EBUSY);
                      return {};
                  })
                  .ok());
        CHECK(text_of(view->root(), "/etc/file") == "bound");
    }
    SUBCASE("a source that is not there is told") {
        ViewPlan bad;
        bad.root = os::new_mount("tmpfs", "tmpfs", "size=1m", 0).take();
        bad.place = place.path;
        bad.mounts = {{bound.path + "/nosuch", "/x"}};
        CHECK(FileView::create(std::move(bad)).error().code() == Errc::NotFound);
    }
    SUBCASE("read-only as a whole") {
        ViewPlan fixed;
        fixed.root = os::new_mount("tmpfs", "tmpfs", "size=1m", 0).take();
        fixed.place = place.path;
        fixed.mounts = {{bound.path, "/data"}};
        fixed.root_read_only = true;
        auto other = FileView::create(std::move(fixed));
        REQUIRE(other.ok());
        CHECK(os::open_in_root(other->root(), "/x", O_WRONLY | O_CREAT, 0600).error().os_errno() == EROFS);
        CHECK(os::open_in_root(other->root(), "/data/x", O_WRONLY | O_CREAT, 0600).ok());
    }
}
