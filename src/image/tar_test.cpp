// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "image/image_test_util.h"
#include "image/tar_internal.h"
#include "image/tar_writer.h"

using namespace pila;
using namespace pila::image;
using namespace pila::image::test;

namespace {

struct Collect final : RawSink {
    std::string bytes;
    Result<void> raw(std::string_view more) override {
        bytes += more;
        return {};
    }
};

// Cuts everything into pieces of a few bytes.
class SmallChunks final : public ChunkReader {
public:
    SmallChunks(std::string_view bytes, std::size_t size) : bytes_(bytes), size_(size) {}
    Result<Chunk> next() override {
        auto part = bytes_.substr(0, size_);
        bytes_.remove_prefix(part.size());
        return Chunk{part, nullptr};
    }

private:
    std::string_view bytes_;
    std::size_t size_;
};

struct Listing {
    std::vector<TarEntry> entries;
    std::vector<std::string> contents;
    std::string error;
};

Listing list(std::string_view archive, std::size_t cut = 1 << 20) {
    Listing listing;
    SmallChunks chunks(archive, cut);
    Collect sink;
    TarReader reader(chunks, &sink);
    std::uint64_t content = 0;
    for (;;) {
        TarEntry entry;
        auto more = reader.next(entry);
        if (!more) {
            listing.error = more.error().message();
            return listing;
        }
        if (!*more) break;
        std::string bytes;
        for (;;) {
            auto chunk = reader.content();
            if (!chunk) {
                listing.error = chunk.error().message();
                return listing;
            }
            if (chunk->bytes.empty()) break;
            bytes += chunk->bytes;
        }
        content += bytes.size();
        listing.entries.push_back(std::move(entry));
        listing.contents.push_back(std::move(bytes));
    }
    REQUIRE(reader.drain().ok());
    // Nothing is lost and nothing told twice.
    CHECK(sink.bytes.size() + content == archive.size());
    return listing;
}

}  // namespace

TEST_CASE("entries of every kind, however the stream is cut") {
    auto archive = TarBuilder()
                       .directory("dir/", 0750)
                       .file("dir/file", std::string(1000, 'x'), 04755)
                       .hardlink("dir/hard", "dir/file")
                       .symlink("link", "dir/file")
                       .add({.path = "device", .type = '3', .device_major = 1, .device_minor = 3})
                       .add({.path = "pipe", .type = '6'})
                       .add({.path = "old-dir/", .type = '\0'})
                       .add({.path = "empty"})
                       .finish();
    for (std::size_t cut : {1UL << 20, 512UL, 513UL, 511UL, 7UL, 1UL}) {
        auto listing = list(archive, cut);
        CHECK(listing.error == "");
        REQUIRE(listing.entries.size() == 8);
        CHECK(listing.entries[0].type == TarType::Directory);
        CHECK(listing.entries[0].mode == 0750);
        CHECK(listing.entries[1].mode == 04755);
        CHECK(listing.contents[1] == std::string(1000, 'x'));
        CHECK(listing.entries[2].type == TarType::HardLink);
        CHECK(listing.entries[2].link == "dir/file");
        CHECK(listing.entries[3].type == TarType::SymbolicLink);
        CHECK(listing.entries[4].device_minor == 3);
        CHECK(listing.entries[5].type == TarType::Fifo);
        CHECK(listing.entries[6].type == TarType::Directory);
        CHECK(listing.entries[7].size == 0);
    }
}

TEST_CASE("pax and GNU extensions") {
    auto name = std::string(300, 'n');
    auto listing = list(TarBuilder()
                            .pax({{"comment", "global"}, {"path", "no"}}, 'g')
                            .pax({{"path", name},
                                  {"uid", "3000000000"},
                                  {"mtime", "1.5"},
                                  {"SCHILY.xattr.user.a", std::string("\0b", 2)},
                                  {"size", "3"}})
                            .add({.path = "x", .size_field = "00000000000"}, "abc")
                            .add({.path = "././@LongLink", .type = 'L'}, name + '\0')
                            .add({.path = "././@LongLink", .type = 'K'}, std::string(200, 'k'))
                            .add({.path = "y", .type = '2'})
                            .pax({{"mtime", "-1.25"}})
                            .file("z", "")
                            .finish());
    CHECK(listing.error == "");
    REQUIRE(listing.entries.size() == 3);
    CHECK(listing.entries[0].path == name);
    CHECK(listing.entries[0].uid == 3000000000U);
    CHECK(listing.entries[0].modified.tv_nsec == 500'000'000);
    CHECK(listing.entries[0].xattrs.at("user.a") == std::string("\0b", 2));
    CHECK(listing.contents[0] == "abc");
    CHECK(listing.entries[1].path == name);
    CHECK(listing.entries[1].link == std::string(200, 'k'));
    CHECK(listing.entries[2].modified.tv_sec == -2);
    CHECK(listing.entries[2].modified.tv_nsec == 750'000'000);
}

TEST_CASE("sparse files of all forms") {
    auto listing =
        list(TarBuilder()
                 .pax({{"GNU.sparse.major", "1"},
                       {"GNU.sparse.minor", "0"},
                       {"GNU.sparse.name", "one"},
                       {"GNU.sparse.realsize", "10000"}})
                 .file("GNUSparseFile.0/one", "2\n0\n3\n5000\n2\n" + std::string(512 - 13, '\0') + "abcde")
                 .pax({{"GNU.sparse.map", "0,3,5000,2"}, {"GNU.sparse.size", "10000"}, {"GNU.sparse.name", "two"}})
                 .file("x", "abcde")
                 .pax({{"GNU.sparse.size", "10000"},
                       {"GNU.sparse.numblocks", "1"},
                       {"GNU.sparse.offset", "4"},
                       {"GNU.sparse.numbytes", "5"}})
                 .file("three", "abcde")
                 .finish());
    CHECK(listing.error == "");
    REQUIRE(listing.entries.size() == 3);
    CHECK(listing.entries[0].path == "one");
    CHECK(listing.entries[0].regions.size() == 2);
    CHECK(listing.contents[0] == "abcde");
    CHECK(listing.entries[1].path == "two");
    CHECK(listing.entries[1].regions[1].offset == 5000);
    CHECK(listing.entries[2].regions[0].offset == 4);
    for (const auto& entry : listing.entries) {
        CHECK(entry.sparse);
        CHECK(entry.real_size == 10000);
    }
    CHECK(list(TarBuilder().pax({{"GNU.sparse.map", "0,9,5,9"}, {"GNU.sparse.size", "100"}}).file("x", "abc").finish())
              .error.find("sparse") != std::string::npos);
    CHECK(list(TarBuilder().pax({{"GNU.sparse.map", "0,9"}, {"GNU.sparse.size", "5"}}).file("x", "123456789").finish())
              .error.find("sparse") != std::string::npos);
}

TEST_CASE("damaged archives end with an error") {
    auto good = TarBuilder().file("a", std::string(700, 'a')).finish();
    for (std::size_t cut : {100UL, 511UL, 600UL, 1100UL, 1500UL})
        CHECK(list(good.substr(0, cut)).error.find("ends in the middle") != std::string::npos);
    CHECK(list(good.substr(0, 1536)).error == "");  // Go takes the plain end of the stream as well
    auto spoilt = good;
    spoilt[0] = 'b';
    CHECK(list(spoilt).error == "read tar: invalid tar header");
    CHECK(list(std::string(512, '\0') + good).error.find("zero block") != std::string::npos);
    CHECK(
        list(TarBuilder().add({.path = "x", .size_field = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}).finish())
            .error.find("negative") != std::string::npos);
    CHECK(
        list(TarBuilder().add({.path = "x", .size_field = "\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"}).finish())
            .error.find("63 bits") != std::string::npos);
    CHECK(list(TarBuilder()
                   .add({.path = "x", .size_field = std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12)})
                   .finish())
              .error.find("impossible size") != std::string::npos);
    CHECK(list(TarBuilder().add({.path = "x", .size_field = "99999999999"}).finish()).error.find("number") !=
          std::string::npos);
    CHECK(list(TarBuilder().pax({{"size", "-1"}}).file("x", "").finish()).error == "read tar: an impossible size");
    CHECK(list(TarBuilder().pax({{"size", "18446744073709551615"}}).file("x", "").finish()).error ==
          "read tar: an impossible size");
    CHECK(list(TarBuilder().add({.path = "p", .type = 'x'}, "999999 path=x\n").file("x", "").finish())
              .error.find("wrong length") != std::string::npos);
    CHECK(list(TarBuilder().add({.path = "p", .type = 'x'}, "0 path=x\n").file("x", "").finish())
              .error.find("wrong length") != std::string::npos);
    CHECK(list(TarBuilder().add({.path = "p", .type = 'x'}, std::string("12 path=a\0b\n", 12)).file("x", "").finish())
              .error.find("zero byte") != std::string::npos);
    CHECK(list(TarBuilder().pax({{"path", std::string(2 << 20, 'x')}}).file("x", "").finish())
              .error.find("extended header of") != std::string::npos);
    TarBuilder chain;
    for (int i = 0; i < 100; ++i) chain.pax({{"path", "x"}});
    CHECK(list(chain.finish()).error.find("too many extended headers") != std::string::npos);
    CHECK(list(TarBuilder().pax({{"path", "x"}}).finish()).error.find("without an entry") != std::string::npos);
    CHECK(list(TarBuilder().add({.path = ""}).finish()).error.find("without a name") != std::string::npos);
    CHECK(list(TarBuilder().pax({{"mtime", "99999999999999999999"}}).file("x", "").finish()).error.find("time") !=
          std::string::npos);
    CHECK(list("").entries.empty());
}

TEST_CASE("headers written are read back the same") {
    TarEntry entry;
    entry.type = TarType::File;
    entry.mode = 06755;
    for (const std::string& path :
         {std::string("a"), std::string(100, 'a'), std::string(101, 'a'),
          std::string(90, 'a') + "/" + std::string(99, 'b'), std::string(155, 'a') + "/" + std::string(100, 'b'),
          std::string(160, 'a') + "/b", std::string(4000, 'x'), std::string("gr\xc3\xbc\xc3\x9f"),
          std::string("/") + std::string(120, 'c')}) {
        for (std::int64_t seconds : {0LL, 1'700'000'000LL, -5LL, 1LL << 34}) {
            entry.path = path;
            entry.modified = {seconds, seconds % 2 == 0 ? 0 : 1000};
            entry.uid = static_cast<std::uint32_t>(seconds);
            entry.xattrs = {{"user.x", "1"}};
            auto bytes = tar_header(entry);
            REQUIRE(bytes.ok());
            auto listing = list(*bytes + std::string(tar_end()));
            CHECK(listing.error == "");
            REQUIRE(listing.entries.size() == 1);
            const auto& back = listing.entries[0];
            CHECK(back.path == path);
            CHECK(back.mode == entry.mode);
            CHECK(back.uid == entry.uid);
            CHECK(back.modified.tv_sec == entry.modified.tv_sec);
            CHECK(back.modified.tv_nsec == entry.modified.tv_nsec);
            CHECK(back.xattrs == entry.xattrs);
        }
    }
}
