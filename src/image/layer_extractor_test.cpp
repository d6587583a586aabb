// SPDX-License-Identifier: Apache-2.0
#include "image/layer_extractor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "image/compression.h"
#include "image/image_test_util.h"
#include "image/overlay_form.h"

using namespace pila;
using namespace pila::image;
using namespace pila::image::test;

namespace {

struct Fixture {
    TemporaryDirectory directory;
    std::unique_ptr<BlobStore> blobs = BlobStore::create(directory.path).take();
    std::unique_ptr<LayerStore> layers = LayerStore::create(directory.path, *blobs).take();
    Context context;

    Result<UnpackedLayer> unpack(const std::string& tar) {
        MemoryChunks chunks(tar);
        return layers->unpack(context, chunks, LayerStore::KeepTar::Recipe);
    }
    // "" if it worked.
    std::string refusal(const std::string& tar) {
        auto unpacked = unpack(tar);
        if (unpacked) return "";
        CHECK(unpacked.error().code() == Errc::Invalid);
        CHECK(os::list_directory(directory.path + "/tmp")->empty());
        return unpacked.error().message();
    }
};

struct stat stat_of(const std::string& path) {
    struct stat info {};
    CHECK_MESSAGE(::lstat(path.c_str(), &info) == 0, path);
    return info;
}

bool is_root() {
    if (::geteuid() == 0) return true;
    MESSAGE("skipped: needs root");
    return false;
}

std::string text_of(const std::string& path) { return os::read_file(path, 1 << 20).value_or("(none)"); }

}  // namespace

TEST_CASE("paths are cleaned, and none leads out") {
    CHECK(*clean_path("./a//b/../c/") == "a/c");
    CHECK(*clean_path("/") == "");
    CHECK(*clean_path("/../../etc") == "etc");
    CHECK(*clean_path("...") == "...");
    CHECK_FALSE(clean_path("..").ok());
    CHECK_FALSE(clean_path("a/../../b").ok());
    CHECK_FALSE(clean_path(std::string(5000, 'x')).ok());
}

TEST_CASE("hostile archives stay inside their root") {
    Fixture fixture;
    auto outside = fixture.directory.path + "/outside";
    REQUIRE(os::replace_file(outside, "untouched").ok());
    CHECK(fixture.refusal(TarBuilder().file("../../../outside", "bad").finish()).find("outside of the layer") !=
          std::string::npos);
    CHECK(fixture.refusal(TarBuilder().hardlink("x", "../../../outside").finish()).find("outside of the layer") !=
          std::string::npos);
    CHECK(fixture.refusal(TarBuilder().file(".wh...", "").finish()).find("a whiteout of") != std::string::npos);
    CHECK(fixture.refusal(TarBuilder().file("d/.wh.", "").finish()).find("a whiteout of") != std::string::npos);
    CHECK(fixture.refusal(TarBuilder().file("file", "").file("file/below", "").finish()).find("file/below") !=
          std::string::npos);
    CHECK(
        fixture.refusal(TarBuilder().symlink("nowhere", "missing").file("nowhere/x", "").finish()).find("nowhere/x") !=
        std::string::npos);
    CHECK(fixture.refusal(TarBuilder().symlink("loop", "loop").file("loop/x", "").finish()).find("loop/x") !=
          std::string::npos);
    CHECK(fixture.refusal(TarBuilder().hardlink("x", "missing").finish()).find("missing") != std::string::npos);
    CHECK(fixture.refusal(TarBuilder().directory("d").hardlink("x", "d").finish()).find("hard link to d") !=
          std::string::npos);
    CHECK(fixture.refusal(TarBuilder().hardlink("x", "/").finish()).find("to the root") != std::string::npos);
    CHECK(
        fixture.refusal(TarBuilder().pax({{"path", std::string(300, 'x')}}).file("x", "").finish()).find("too long") !=
        std::string::npos);
    CHECK(fixture.refusal(TarBuilder().symlink("x", "").finish()) != "");

    // Links that point out are followed inside, as in a chroot.
    auto inside = fixture.unpack(TarBuilder()
                                     .symlink("absolute", outside)
                                     .symlink("up", "../../../../../../../../..")
                                     .symlink("root", "/")
                                     .file("up/through-up", "1")
                                     .file("root/through-root", "2")
                                     .file("absolute", "replaced")
                                     .file("/an/absolute/path", "3")
                                     .hardlink("hard", "/up/through-up")
                                     .finish());
    REQUIRE_MESSAGE(inside.ok(), inside.error().message());
    auto tree = inside->path() + "/tree";
    CHECK(text_of(tree + "/through-up") == "1");
    CHECK(text_of(tree + "/through-root") == "2");
    CHECK(text_of(tree + "/absolute") == "replaced");
    CHECK(text_of(tree + "/an/absolute/path") == "3");
    CHECK(text_of(tree + "/hard") == "1");
    CHECK(text_of(outside) == "untouched");
}

TEST_CASE("attributes arrive as the archive has them") {
    if (!is_root()) return;
    Fixture fixture;
    auto unpacked = fixture.unpack(
        TarBuilder()
            .add({.path = "d/", .type = '5', .mode = 02555, .uid = 7, .gid = 8, .mtime = 1000})
            .add({.path = "d/suid", .mode = 04755, .uid = 1000, .gid = 1001, .mtime = 2000}, "x")
            .add({.path = "d/world", .mode = 0666}, "x")
            .add({.path = "closed/", .type = '5', .mode = 0})
            .add({.path = "closed/inside", .mode = 0}, "x")
            .pax({{"mtime", "1234.000000789"},
                  {"SCHILY.xattr.user.mine", "v"},
                  {"SCHILY.xattr.trusted.overlay.opaque", "y"},
                  {"SCHILY.xattr.security.capability",
                   std::string("\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)}})
            .file("attributes", "x")
            .pax({{"SCHILY.xattr.trusted.overlay.opaque", "y"}, {"SCHILY.xattr.user.overlay.opaque", "y"}})
            .directory("not-opaque/")
            .add({.path = "null", .type = '3', .mode = 0666, .device_major = 1, .device_minor = 3})
            .add({.path = "pipe", .type = '6', .mode = 0600, .mtime = 5})
            .add({.path = "link", .link = "somewhere", .type = '2', .uid = 5, .mtime = 6})
            .add({.path = "./", .type = '5', .mode = 0711, .mtime = 77})
            .finish());
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().message());
    auto tree = unpacked->path() + "/tree";
    CHECK((stat_of(tree + "/d").st_mode & 07777) == 02555);
    CHECK(stat_of(tree + "/d").st_gid == 8);
    CHECK(stat_of(tree + "/d").st_mtim.tv_sec == 1000);
    CHECK((stat_of(tree + "/d/suid").st_mode & 07777) == 04755);
    CHECK(stat_of(tree + "/d/suid").st_uid == 1000);
    CHECK(stat_of(tree + "/d/suid").st_mtim.tv_sec == 2000);
    CHECK((stat_of(tree + "/d/world").st_mode & 07777) == 0666);
    CHECK(stat_of(tree + "/d/world").st_gid == 0);
    CHECK((stat_of(tree + "/closed").st_mode & 07777) == 0);
    CHECK((stat_of(tree + "/closed/inside").st_mode & 07777) == 0);
    CHECK(stat_of(tree + "/attributes").st_mtim.tv_nsec == 789);
    char value[64];
    CHECK(::getxattr((tree + "/attributes").c_str(), "user.mine", value, sizeof value) == 1);
    CHECK(::getxattr((tree + "/attributes").c_str(), "security.capability", value, sizeof value) == 20);
    CHECK(::getxattr((tree + "/attributes").c_str(), "trusted.overlay.opaque", value, sizeof value) < 0);
    CHECK_FALSE(is_opaque(*os::open(tree + "/not-opaque", O_RDONLY)));
    CHECK(stat_of(tree + "/null").st_rdev == makedev(1, 3));
    CHECK((stat_of(tree + "/null").st_mode & 07777) == 0666);
    CHECK(S_ISFIFO(stat_of(tree + "/pipe").st_mode));
    CHECK(stat_of(tree + "/pipe").st_mtim.tv_sec == 5);
    CHECK(stat_of(tree + "/link").st_uid == 5);
    CHECK(stat_of(tree + "/link").st_mtim.tv_sec == 6);
    CHECK((stat_of(tree).st_mode & 07777) == 0711);
    CHECK(stat_of(tree).st_mtim.tv_sec == 77);
}

TEST_CASE("whiteouts speak of the layers below") {
    if (!is_root()) return;
    Fixture fixture;
    auto unpacked = fixture.unpack(TarBuilder()
                                       .file("gone/.wh.file", "")
                                       .directory("opaque/")
                                       .file("opaque/.wh..wh..opq", "")
                                       .file("opaque/new", "x")
                                       .file(".wh..wh.plnk", "")
                                       .file("stays", "x")
                                       .file(".wh.stays", "")
                                       .directory("dir-stays/")
                                       .file(".wh.dir-stays", "")
                                       .file(".wh.back", "")
                                       .directory("back/")
                                       .directory("back/")
                                       .file(".wh.back-as-file", "")
                                       .file("back-as-file", "x")
                                       .finish());
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().message());
    auto tree = unpacked->path() + "/tree";
    CHECK(is_whiteout(stat_of(tree + "/gone/file")));
    CHECK(is_opaque(*os::open(tree + "/opaque", O_RDONLY)));
    CHECK(text_of(tree + "/stays") == "x");
    CHECK(is_opaque(*os::open(tree + "/dir-stays", O_RDONLY)));
    CHECK(is_opaque(*os::open(tree + "/back", O_RDONLY)));
    CHECK(text_of(tree + "/back-as-file") == "x");
    for (const auto& name : os::list_directory(tree).take()) CHECK_FALSE(name.starts_with(".wh."));
}

TEST_CASE("later entries replace earlier ones, and the tar still comes back") {
    Fixture fixture;
    auto tar = TarBuilder()
                   .file("file", "one")
                   .file("file", "two")
                   .hardlink("hard", "file")
                   .file("file", "three")
                   .directory("dir/")
                   .file("dir/a", "deep one")
                   .file("dir/b", "deep two")
                   .file("dir", "no directory any more")
                   .symlink("alias", "real")
                   .directory("real/")
                   .file("alias/f", "by alias")
                   .file("real/f", "by name")
                   .file("was-file", "1")
                   .directory("was-file/")
                   .file("was-file/x", "2")
                   .finish() +
               "something behind the end";
    auto unpacked = fixture.unpack(tar);
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().message());
    auto diff_id = unpacked->diff_id;
    REQUIRE(fixture.layers->commit(unpacked.take()).ok());
    auto tree = fixture.layers->tree(diff_id);
    CHECK(text_of(tree + "/file") == "three");
    CHECK(text_of(tree + "/hard") == "two");
    CHECK(text_of(tree + "/dir") == "no directory any more");
    CHECK(text_of(tree + "/real/f") == "by name");
    CHECK(text_of(tree + "/was-file/x") == "2");
    CHECK(read_to_end(**fixture.layers->open_tar(diff_id)) == tar);
}

TEST_CASE("sparse files keep their holes and their tar") {
    Fixture fixture;
    auto tar = TarBuilder()
                   .pax({{"GNU.sparse.map", "0,3,1000000,2"}, {"GNU.sparse.size", "2000000"}})
                   .file("sparse", "abcde")
                   .pax({{"GNU.sparse.map", "0,0"}, {"GNU.sparse.size", "9000000000000000000"}})
                   .file("too-big", "")
                   .finish();
    CHECK(fixture.refusal(tar).find("too-big") != std::string::npos);
    tar = TarBuilder()
              .pax({{"GNU.sparse.map", "0,3,1000000,2"}, {"GNU.sparse.size", "2000000"}})
              .file("sparse", "abcde")
              .finish();
    auto unpacked = fixture.unpack(tar);
    REQUIRE_MESSAGE(unpacked.ok(), unpacked.error().message());
    auto content = os::read_file(unpacked->path() + "/tree/sparse", 1 << 22).take();
    CHECK(content.size() == 2'000'000);
    CHECK(content.substr(0, 4) == std::string("abc\0", 4));
    CHECK(content.substr(1'000'000, 2) == "de");
    CHECK(stat_of(unpacked->path() + "/tree/sparse").st_blocks < 1000);
    auto diff_id = unpacked->diff_id;
    REQUIRE(fixture.layers->commit(unpacked.take()).ok());
    CHECK(read_to_end(**fixture.layers->open_tar(diff_id)) == tar);
}

TEST_CASE("what would fill the disk is refused first") {
    Fixture fixture;
    // A header that promises more than any disk has, without the content.
    auto tar = TarBuilder().pax({{"size", "1000000000000000"}}).file("huge", "").finish();
    auto refused = fixture.unpack(tar);
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.error().code() == Errc::Exhausted);
    CHECK(refused.error().message().find("no room on the disk") != std::string::npos);
    // Endless bytes behind the archive.
    CHECK(fixture.refusal(TarBuilder().finish() + std::string(70 << 20, '\0')).find("endless") != std::string::npos);
}

TEST_CASE("a caller who no longer waits ends the unpacking") {
    Fixture fixture;
    std::stop_source source;
    fixture.context.stop = source.get_token();
    source.request_stop();
    CHECK_FALSE(fixture.unpack(TarBuilder().file("x", "x").finish()).ok());
    CHECK(os::list_directory(fixture.directory.path + "/tmp")->empty());
}

TEST_CASE("compressed streams of every kind, whole, cut and spoilt") {
    auto plain = TarBuilder().file("a", std::string(300'000, 'a')).finish();
    for (bool zstd : {true, false}) {
        std::string packed;
        ByteSink sink = [&](std::string_view bytes) -> Result<void> {
            packed += bytes;
            return {};
        };
        auto compressor = zstd ? zstd_compressor(sink) : gzip_compressor(sink);
        REQUIRE(compressor->write(plain).ok());
        REQUIRE(compressor->finish().ok());
        auto unpack = [&](const std::string& bytes) -> std::string {
            MemoryReader body(bytes, 777);
            BodyChunks chunks(body);
            Decompressed reader(chunks);
            std::string out;
            for (;;) {
                auto chunk = reader.next();
                if (!chunk) return "error: " + chunk.error().message();
                if (chunk->bytes.empty()) return out;
                out += chunk->bytes;
            }
        };
        CHECK(unpack(packed) == plain);
        CHECK(unpack(packed + packed) == plain + plain);
        CHECK(unpack(packed.substr(0, packed.size() / 2)).starts_with("error: decompress: "));
        auto spoilt = packed;
        spoilt[packed.size() / 2] = static_cast<char>(spoilt[packed.size() / 2] ^ 0x55);
        CHECK(unpack(spoilt) != plain);  // libarchive leaves gzip's own check out; digests find it
    }
}
