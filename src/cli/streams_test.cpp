// SPDX-License-Identifier: Apache-2.0
// What comes off the wire in pieces: frames, JSON values, tar archives.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "cli/demultiplexer.h"
#include "cli/json_stream.h"
#include "cli/listing.h"
#include "cli/table_writer.h"
#include "cli/tar.h"
#include "os/file.h"

using namespace pila;
using namespace pila::cli;

namespace {

class Memory : public http::BodyReader {
public:
    explicit Memory(std::string bytes, std::size_t step = 7) : bytes_(std::move(bytes)), step_(step) {}
    Result<std::size_t> read(char* buffer, std::size_t size) override {
        auto part = std::min({size, step_, bytes_.size() - at_});
        bytes_.copy(buffer, part, at_);
        at_ += part;
        return part;
    }

private:
    std::string bytes_;
    std::size_t step_, at_ = 0;
};

std::string frame(char stream, std::string_view bytes) {
    std::string out{stream, 0, 0, 0, 0, 0, static_cast<char>(bytes.size() >> 8), static_cast<char>(bytes.size())};
    return out + std::string(bytes);
}

struct TemporaryDirectory {
    std::string path = "/tmp/pila-cli-test-" + random_hex(12);
    TemporaryDirectory() { REQUIRE(os::make_directory(path)); }
    ~TemporaryDirectory() { ignore(os::remove_tree(path), "only scratch"); }
};

std::string entry(TarEntry::Type type, std::string name, std::string content = "", std::string link = "") {
    TarEntry header{.type = type, .name = std::move(name), .link = std::move(link), .size = content.size()};
    return tar_header(header) + content + std::string(tar_padding(content.size()), '\0');
}

Result<void> extract(const std::string& archive, const TemporaryDirectory& into, std::string name) {
    Memory source(archive + std::string(1024, '\0'), 100);
    auto directory = TRY(os::open(into.path, O_RDONLY | O_DIRECTORY));
    return extract_tar(source, directory, {.name = std::move(name)});
}

}  // namespace

TEST_CASE("frames come in any pieces") {
    auto bytes = frame(1, "out") + frame(2, "err") + frame(1, "") + frame(0, "more");
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
        std::string output, errors;
        Demultiplexer frames([&](Demultiplexer::Stream stream, std::string_view part) -> Result<void> {
            (stream == Demultiplexer::Stream::Error ? errors : output) += part;
            return {};
        });
        for (std::size_t at = 0; at < bytes.size(); at += step)
            REQUIRE(frames.feed(std::string_view(bytes).substr(at, step)));
        CHECK(output == "outmore");
        CHECK(errors == "err");
    }
    Demultiplexer refuses([](Demultiplexer::Stream, std::string_view) -> Result<void> { return {}; });
    CHECK(refuses.feed(frame(3, "boom")).error().message() == "error from daemon in stream: boom");
    Demultiplexer unknown([](Demultiplexer::Stream, std::string_view) -> Result<void> { return {}; });
    CHECK_FALSE(unknown.feed(frame(9, "x")));
}

TEST_CASE("JSON values follow each other") {
    std::string seen;
    JsonSplitter splitter([&](std::string_view object) -> Result<void> {
        seen += std::string(object) + ";";
        return {};
    });
    for (char c : std::string("{\"a\":\"}\\\"{\"}\r\n {\"b\":[{}]}")) REQUIRE(splitter.feed(std::string_view(&c, 1)));
    CHECK(seen == "{\"a\":\"}\\\"{\"};{\"b\":[{}]};");
    CHECK_FALSE(splitter.feed("x"));
}

TEST_CASE("tables as Go's tabwriter aligns them") {
    CHECK(align_columns("ID\tNAME\tX\nabcdefghijkl\tb\ty\n") ==
          "ID             NAME      X\nabcdefghijkl   b         y\n");
    CHECK(align_columns("a\tb\nplain\nlonger cell here\tc\n") == "a         b\nplain\nlonger cell here   c\n");
    CHECK(align_columns("\xc3\xa9\tx\n") == "\xc3\xa9         x\n");
}

TEST_CASE("a listing in its three forms") {
    auto make = [](std::string_view format) {
        Listing listing(format, "{{.ID}}\t{{.Name}}", {{"ID", "ID"}, {"Name", "NAME"}});
        Row row;
        row.columns = {{"ID", "1"}, {"Name", "<n>"}};
        row.labels = {{"k", "v"}};
        listing.add(std::move(row));
        return listing.text();
    };
    CHECK(make("").value() == "ID        NAME\n1         <n>\n");
    CHECK(make("json").value() == "{\"ID\":\"1\",\"Name\":\"\\u003cn\\u003e\"}\n");
    CHECK(make("table {{.Name}}\\t{{.Label \"k\"}}").value() == "NAME      \n<n>       v\n");
    CHECK(make("{{lower .Name}}").value() == "<n>\n");
    CHECK_FALSE(make("{{.Missing}}"));
    CHECK(natural_less("a2", "a10"));
    CHECK_FALSE(natural_less("b", "a10"));
}

TEST_CASE("archives unpack where they should") {
    using Type = TarEntry::Type;
    TemporaryDirectory directory;
    std::string deep = "d/" + std::string(150, 'n');
    auto archive = entry(Type::Directory, "d/") + entry(Type::File, "d/f", "hello") +
                   entry(Type::SymbolicLink, "d/l", "", "f") + entry(Type::HardLink, "d/h", "", "d/f") +
                   entry(Type::File, deep, "x");
    REQUIRE(extract(archive, directory, "renamed"));
    CHECK(os::read_file(directory.path + "/renamed/f", 100).value() == "hello");
    CHECK(os::read_file(directory.path + "/renamed/h", 100).value() == "hello");
    CHECK(os::read_file(directory.path + "/renamed/" + std::string(150, 'n'), 100).value() == "x");
    struct stat status {};
    REQUIRE(::lstat((directory.path + "/renamed/l").c_str(), &status) == 0);
    CHECK(S_ISLNK(status.st_mode));
}

TEST_CASE("archives cannot reach outside") {
    using Type = TarEntry::Type;
    TemporaryDirectory outside, directory;
    CHECK_FALSE(extract(entry(Type::File, "d/../../x", "evil"), directory, ""));
    auto through_link = entry(Type::Directory, "d/") + entry(Type::SymbolicLink, "d/out", "", outside.path) +
                        entry(Type::File, "d/out/evil", "evil");
    CHECK_FALSE(extract(through_link, directory, "t"));
    CHECK_FALSE(os::exists(outside.path + "/evil"));
    CHECK_FALSE(extract(entry(Type::CharacterDevice, "d/null"), directory, ""));
    auto bytes = entry(Type::File, "d", "abc");
    CHECK_FALSE(extract(entry(Type::File, "d", std::string(5000, 'a')).substr(0, 600), directory, "cut"));
    bytes[0] = 'X';
    CHECK_FALSE(extract(bytes, directory, "checksum"));
}

TEST_CASE("what is packed reads back") {
    TemporaryDirectory directory;
    REQUIRE(os::make_directory(directory.path + "/sub"));
    REQUIRE(os::replace_file(directory.path + "/sub/file", std::string(70'000, 'z'), 0640, os::Sync::No));
    auto source = TarSource::create(directory.path, "root");
    REQUIRE(source);
    TarReader reader(**source);
    TarEntry found;
    std::vector<std::string> names;
    while (reader.next(found).value_or(false)) {
        names.push_back(found.name);
        if (found.name == "root/sub/file") {
            CHECK(found.size == 70'000);
            CHECK(found.mode == 0640);
        }
    }
    CHECK(names == std::vector<std::string>{"root/", "root/sub/", "root/sub/file"});
}
