// SPDX-License-Identifier: Apache-2.0
#include "runtime/log_writer_internal.h"

#include <fcntl.h>

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "base/json.h"
#include "base/random.h"
#include "base/text.h"
#include "os/file.h"

using namespace pila;
using namespace pila::runtime;
using Stream = LogWriter::Stream;

namespace {

struct LogFile {
    std::string directory = "/tmp/pila-log-test-" + random_hex(8);
    std::string path = directory + "/log";
    LogFile() { REQUIRE(os::make_directory(directory)); }
    std::string read(const std::string& suffix = "") const {
        auto text = os::read_file(path + suffix, 64 << 20);
        return text ? *text : "(missing)";
    }
    ~LogFile() { ignore(os::remove_tree(directory), "made by us"); }
};

constexpr WallTime noon{1'700'000'000'500'000'000};

std::string entry(std::string_view text, bool error = false) {
    std::string out;
    append_log_entry(LogFormat::Json, out, text, error, "T");
    return out;
}

}  // namespace

TEST_CASE("entries are Docker's, byte for byte where JSON leaves no choice") {
    CHECK(entry("hello\n") == "{\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\"T\"}\n");
    CHECK(entry("a\"b\\c\td\re\x01", true) ==
          "{\"log\":\"a\\\"b\\\\c\\td\\re\\u0001\",\"stream\":\"stderr\",\"time\":\"T\"}\n");
    CHECK(entry("h\xc3\xa9 \xff x\x80") ==
          "{\"log\":\"h\xc3\xa9 \\ufffd x\\ufffd\",\"stream\":\"stdout\",\"time\":\"T\"}\n");
    CHECK(entry("") == "{\"log\":\"\",\"stream\":\"stdout\",\"time\":\"T\"}\n");
    std::string every;
    for (int c = 0; c < 256; ++c) every += static_cast<char>(c);
    auto line = entry(every);
    CHECK(parse_json(trim(line)));
}

TEST_CASE("lines are whole, however they arrive; the rest waits for its end") {
    LogFile file;
    auto log = LogWriter::open({.path = file.path});
    REQUIRE(log);
    log->add(Stream::Output, "one\ntw", noon);
    CHECK(split(file.read(), '\n').size() == 2);
    log->add(Stream::Error, "err", noon);
    log->add(Stream::Output, "o\nthree", noon);
    log->end(Stream::Output, noon);
    log->end(Stream::Error, noon);
    auto text = file.read();
    CHECK(text.find("{\"log\":\"two\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20.5Z\"}\n") !=
          std::string::npos);
    CHECK(text.find("{\"log\":\"three\",\"stream\":\"stdout\"") != std::string::npos);
    CHECK(text.find("{\"log\":\"err\",\"stream\":\"stderr\"") != std::string::npos);
}

TEST_CASE("long lines are cut at 16 KiB, never inside a character") {
    LogFile file;
    auto log = LogWriter::open({.path = file.path});
    REQUIRE(log);
    std::string long_line(longest_log_piece - 1, 'a');
    long_line += "\xe2\x82\xac tail\n";  // the euro sign would straddle the cut
    log->add(Stream::Output, long_line, noon);
    auto all = file.read();
    CHECK(split(all, '\n').size() == 3);
    CHECK(all.find("\\ufffd") == std::string::npos);
    CHECK(all.find("\"\xe2\x82\xac tail\\n\"") != std::string::npos);
    std::string junk(100'000, '\x80');
    log->add(Stream::Output, junk, noon);
    log->end(Stream::Output, noon);
    CHECK(split(file.read(), '\n').size() > 8);
}

TEST_CASE("rotation keeps as many files as asked for, under numbers that go on") {
    LogFile file;
    auto log = LogWriter::open({.path = file.path, .max_bytes = 1000, .max_files = 3});
    REQUIRE(log);
    int rotations = 0;
    log->on_rotated([&] { ++rotations; });
    for (int i = 0; i < 200; ++i) log->add(Stream::Output, "line " + std::to_string(i) + "\n", noon);
    CHECK(file.read().find("line 199") != std::string::npos);
    CHECK(file.read().size() < 1100);
    auto suffix = [](int number) { return "." + std::to_string(number); };
    CHECK(rotations > 5);
    CHECK(file.read(suffix(rotations)) != "(missing)");
    CHECK(file.read(suffix(rotations - 1)) != "(missing)");
    CHECK(os::list_directory(file.directory)->size() == 3);
    // Nothing is lost between neighbours.
    auto text = file.read(suffix(rotations - 1)) + file.read(suffix(rotations)) + file.read();
    auto first = text.find("line ");
    auto number = std::stoi(text.substr(first + 5));
    for (; number < 200; ++number) CHECK(text.find("line " + std::to_string(number) + "\\n") != std::string::npos);

    // A compressed one counts and goes in its turn; another shim goes on counting.
    REQUIRE(os::rename(file.path + suffix(rotations - 1), file.path + suffix(rotations - 1) + ".gz"));
    auto next = LogWriter::open({.path = file.path, .max_bytes = 1000, .max_files = 3});
    REQUIRE(next);
    for (int i = 0; i < 15; ++i) next->add(Stream::Output, "more " + std::to_string(i) + "\n", noon);
    CHECK(file.read(suffix(rotations + 1)) != "(missing)");
    CHECK(file.read(suffix(rotations - 1) + ".gz") == "(missing)");
    CHECK(os::list_directory(file.directory)->size() == 3);
}

TEST_CASE("a single file is begun anew") {
    LogFile file;
    auto log = LogWriter::open({.path = file.path, .max_bytes = 1000, .max_files = 1});
    REQUIRE(log);
    for (int i = 0; i < 50; ++i) log->add(Stream::Output, "line " + std::to_string(i) + "\n", noon);
    CHECK(os::list_directory(file.directory)->size() == 1);
    CHECK(file.read().size() < 1100);
    CHECK(file.read().find("line 49") != std::string::npos);
}

TEST_CASE("the local form keeps bytes as they are and shows what was cut off") {
    LogFile file;
    {
        auto log = LogWriter::open({.path = file.path, .format = LogFormat::Local});
        REQUIRE(log);
        log->add(Stream::Output, "one \xff\"\n", noon);
        log->add(Stream::Error, "two", noon);
        log->end(Stream::Error, noon);
        log->add(Stream::Output, "\n", noon);
        log->add(Stream::Output, "four, cut off\n", noon);
    }
    auto text = file.read();
    REQUIRE(os::write_file(file.path, ""));
    Fd rewritten = os::open(file.path, O_WRONLY | O_TRUNC).take();
    REQUIRE(os::write_all(rewritten, text.substr(0, text.size() - 5)));
    auto log = LogWriter::open({.path = file.path, .format = LogFormat::Local});
    REQUIRE(log);
    log->add(Stream::Output, "five\n", noon);
    auto written = file.read();
    auto lines = split(written, '\n');
    REQUIRE(lines.size() == 6);
    auto one = parse_local_entry(lines[0]), two = parse_local_entry(lines[1]), three = parse_local_entry(lines[2]),
         five = parse_local_entry(lines[4]);
    REQUIRE((one && two && three && five));
    CHECK(one->text == "one \xff\"");
    CHECK((one->whole && !one->error_stream && one->time == noon));
    CHECK((two->text == "two" && !two->whole && two->error_stream));
    CHECK((three->text.empty() && three->whole));
    CHECK_FALSE(parse_local_entry(lines[3]));
    CHECK(five->text == "five");
    for (auto bad : {"", "o", "x00000000000000", "o00000000000001", "o000000000000000x", "o0000000000000!"})
        CHECK_FALSE(parse_local_entry(bad));
    CHECK(parse_local_entry("o00000000000000"));
}

TEST_CASE("attributes stand in every json entry") {
    LogFile file;
    auto log = LogWriter::open({.path = file.path, .attributes = R"("attrs":{"a":"b"},)"});
    REQUIRE(log);
    log->add(Stream::Output, "x\n", noon);
    CHECK(file.read() == R"({"log":"x\n","stream":"stdout","attrs":{"a":"b"},"time":"2023-11-14T22:13:20.5Z"})"
                         "\n");
}

TEST_CASE("reopen goes on in a new file; no path keeps nothing") {
    LogFile file;
    auto log = LogWriter::open({.path = file.path});
    REQUIRE(log);
    log->add(Stream::Output, "old\n", noon);
    REQUIRE(os::rename(file.path, file.path + ".1"));
    REQUIRE(log->reopen());
    log->add(Stream::Output, "new\n", noon);
    CHECK(file.read().find("old") == std::string::npos);
    CHECK(file.read().find("new") != std::string::npos);
    auto none = LogWriter::open({});
    REQUIRE(none);
    none->add(Stream::Output, "gone\n", noon);
}
