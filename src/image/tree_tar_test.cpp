// SPDX-License-Identifier: Apache-2.0
// Trees to archives, and archives into trees that are in use.
#include "image/tree_tar.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "image/image_test_util.h"
#include "image/layer_extractor.h"

using namespace pila;
using namespace pila::image;
using namespace pila::image::test;

namespace {

struct Fixture {
    TemporaryDirectory directory;
    std::string root = directory.path + "/root";
    Context context;
    Fixture() { REQUIRE(os::make_directories(root).ok()); }

    Result<void> extract(const std::string& tar, LayerExtractor::Options options = {}) {
        options.form = LayerExtractor::Form::Files;
        auto extractor = TRY(LayerExtractor::create(root, std::move(options)));
        MemoryChunks chunks(tar);
        TarReader reader(chunks);
        TarEntry entry;
        while (TRY(reader.next(entry))) TRY(extractor->extract(entry, reader));
        return extractor->finish();
    }
    std::string text(const std::string& path) const {
        return os::read_file(directory.path + path, 1 << 20).value_or("(none)");
    }
    // "path" or "path->link" of each entry.
    std::vector<std::string> names(const std::string& tar) const {
        std::vector<std::string> found;
        MemoryChunks chunks(tar);
        TarReader reader(chunks);
        TarEntry entry;
        while (reader.next(entry).value_or(false))
            found.push_back(entry.path + (entry.link.empty() ? "" : "->" + entry.link));
        return found;
    }
    Result<std::string> archive(const std::string& path, const std::string& name) {
        std::string bytes;
        TreeTar tar(context, [&](std::string_view more) -> Result<void> {
            bytes += more;
            return {};
        });
        auto object = TRY(os::open(path, O_PATH | O_NOFOLLOW));
        TRY(tar.add(object, name));
        TRY(tar.finish());
        return bytes;
    }
};

LayerExtractor::Options below(const std::string& path, bool keep_kinds = false) {
    LayerExtractor::Options options;
    options.below = path;
    options.keep_kinds = keep_kinds;
    return options;
}

}  // namespace

TEST_CASE("a tree in an archive: sorted, hard links once, names as asked for") {
    Fixture fixture;
    auto tar = TarBuilder().directory("d/").file("d/a", "one").hardlink("d/twin", "d/a").symlink("d/link", "a");
    REQUIRE(fixture.extract(tar.file("d/z/deep", std::string(300'000, 'x')).finish()).ok());
    using Names = std::vector<std::string>;
    auto path = fixture.root + "/d";
    CHECK(fixture.names(*fixture.archive(path, "n")) ==
          Names{"n/", "n/a", "n/link->a", "n/twin->n/a", "n/z/", "n/z/deep"});
    CHECK(fixture.names(*fixture.archive(path, "/")) == Names{"/", "/a", "/link->a", "/twin->/a", "/z/", "/z/deep"});
    CHECK(fixture.names(*fixture.archive(path, ".")) ==
          Names{"./", "./a", "./link->a", "./twin->./a", "./z/", "./z/deep"});
    CHECK(fixture.names(*fixture.archive(path + "/link", "other")) == Names{"other->a"});
    CHECK(fixture.names(*fixture.archive(path + "/z/deep", "f")) == Names{"f"});
    // ... and back: the same again.
    auto once = *fixture.archive(path, "d");
    REQUIRE(fixture.extract(once, below("copy")).ok());
    CHECK(*fixture.archive(fixture.root + "/copy/d", "d") == once);
}

TEST_CASE("an archive stops when nobody wants it, or its reader is gone") {
    Fixture fixture;
    REQUIRE(fixture.extract(TarBuilder().file("d/f", std::string(1'000'000, 'x')).finish()).ok());
    std::stop_source stop;
    fixture.context.stop = stop.get_token();
    auto object = os::open(fixture.root, O_PATH | O_DIRECTORY).take();
    int pieces = 0;
    TreeTar tar(fixture.context, [&](std::string_view) -> Result<void> {
        if (++pieces == 2) stop.request_stop();
        return {};
    });
    CHECK_FALSE(tar.add(object, "d").ok());
    CHECK(pieces == 2);
    Context context;
    TreeTar broken(context, [](std::string_view) -> Result<void> { return Error(Errc::Unavailable, "gone"); });
    CHECK(broken.add(object, "d").error().message() == "gone");
}

TEST_CASE("into a tree in use: below its place, whatever the archive says") {
    Fixture fixture;
    REQUIRE(os::make_directories(fixture.root + "/place").ok());
    REQUIRE(os::replace_file(fixture.root + "/victim", "safe").ok());
    REQUIRE(os::replace_file(fixture.directory.path + "/outside", "safe").ok());
    auto refusal = [&](const std::string& tar) {
        auto done = fixture.extract(tar, below("place"));
        return done ? std::string() : done.error().message();
    };
    CHECK(refusal(TarBuilder().file("../victim", "bad").finish()) == "\"../victim\" is outside of \"/place\"");
    CHECK(refusal(TarBuilder().hardlink("x", "../victim").finish()).find("is outside of") != std::string::npos);
    CHECK(refusal(TarBuilder().file("/victim", "mine").finish()) == "");
    CHECK(fixture.text("/root/place/victim") == "mine");
    CHECK(refusal(TarBuilder().symlink("way", "../../../..").file("way/outside", "mine").finish()) == "");
    CHECK(refusal(TarBuilder().symlink("abs", "/").file("abs/outside", "mine").finish()) == "");
    CHECK(fixture.text("/root/outside") == "mine");
    CHECK(refusal(TarBuilder().symlink("to", "/victim").file("to", "mine").finish()) == "");
    CHECK(fixture.text("/root/place/to") == "mine");
    CHECK(fixture.text("/root/victim") == "safe");
    CHECK(fixture.text("/outside") == "safe");
    CHECK(refusal(TarBuilder().file(".wh.victim", "a name").finish()) == "");
    CHECK(fixture.text("/root/place/.wh.victim") == "a name");
    CHECK(fixture.text("/root/place/victim") == "mine");
}

TEST_CASE("kinds are kept when asked to be, and the place itself is left as it is") {
    Fixture fixture;
    REQUIRE(fixture.extract(TarBuilder().file("place/directory/f", "x").file("place/file", "x").finish()).ok());
    auto file = TarBuilder().file("directory", "new").finish(), directory = TarBuilder().directory("file/").finish();
    CHECK(fixture.extract(file, below("place", true)).error().message() ==
          "cannot overwrite directory \"/place/directory\" with non-directory \"/place\"");
    CHECK(fixture.extract(directory, below("place", true)).error().message() ==
          "cannot overwrite non-directory \"/place/file\" with directory \"/place\"");
    REQUIRE(fixture.extract(TarBuilder().directory("./", 0700).finish(), below("place")).ok());
    struct stat info {};
    REQUIRE(::stat((fixture.root + "/place").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0755);
    REQUIRE(fixture.extract(file, below("place")).ok());
    REQUIRE(fixture.extract(directory, below("place")).ok());
    CHECK(fixture.text("/root/place/directory") == "new");
}

TEST_CASE("a directory that somebody put in the place of one of the archive's is not given its attributes") {
    Fixture fixture;
    LayerExtractor::Options options;
    options.form = LayerExtractor::Form::Files;
    auto extractor = LayerExtractor::create(fixture.root, std::move(options)).take();
    auto bytes = TarBuilder().directory("d/", 0777).finish();
    MemoryChunks chunks(bytes);
    TarReader reader(chunks);
    TarEntry entry;
    REQUIRE(*reader.next(entry));
    REQUIRE(extractor->extract(entry, reader).ok());
    REQUIRE(os::make_directory(fixture.root + "/precious", 0700).ok());
    REQUIRE(::rename((fixture.root + "/d").c_str(), (fixture.root + "/gone").c_str()) == 0);
    REQUIRE(::rename((fixture.root + "/precious").c_str(), (fixture.root + "/d").c_str()) == 0);
    CHECK(extractor->finish().ok());
    struct stat info {};
    REQUIRE(::stat((fixture.root + "/d").c_str(), &info) == 0);
    CHECK((info.st_mode & 07777) == 0700);
}
