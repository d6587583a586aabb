// SPDX-License-Identifier: Apache-2.0
// Log files: settings, rotated and compressed parts, both forms.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "base/random.h"
#include "engine/engine.h"
#include "engine/log_attributes.h"
#include "engine/log_compressor.h"
#include "engine/log_files.h"
#include "engine/log_reader.h"
#include "engine/log_settings.h"
#include "os/file.h"

using namespace pila;
using namespace pila::engine;

namespace {

struct LogDirectory {
    std::string directory = "/tmp/pila-logs-test-" + random_hex(8);
    std::string path = directory + "/log.local";
    LogDirectory() { REQUIRE(os::make_directory(directory)); }
    ~LogDirectory() { ignore(os::remove_tree(directory), "made by us"); }
    void write(const std::string& suffix, int first, int last) const {
        std::string text;
        for (int i = first; i <= last; ++i)
            runtime::append_log_entry(LogFormat::Local, text, std::to_string(i) + "\n", false,
                                      runtime::log_stamp(LogFormat::Local, WallTime{i * 1'000'000'000LL}));
        REQUIRE(os::replace_file(path + suffix, text, 0600, os::Sync::No));
    }
    std::string read(const std::vector<LogPart>& parts) const {
        LogFormatter formatter(LogOptions{}, true, LogFormat::Local);
        std::string out;
        for (const auto& part : parts) {
            formatter.next_file();
            char buffer[4096];
            while (auto got = os::read_some(part.file, buffer, sizeof buffer).value_or(0))
                formatter.feed({buffer, got}, out);
        }
        return out;
    }
};

std::string refusal(const std::string& driver, const LogOptionMap& options) {
    ContainerSpec spec;
    spec.log_driver = driver;
    spec.log_options = options;
    if (auto checked = check_log_config(driver, options); !checked) return checked.error().message();
    auto plan = plan_log(spec, {}, "/nowhere");
    return plan ? "" : plan.error().message();
}

}  // namespace

TEST_CASE("tail finds the start of the last lines") {
    Fd file(::memfd_create("log", MFD_CLOEXEC));
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += std::to_string(i) + "\n";
    REQUIRE(os::write_all(file, text));
    std::int64_t missing = 0;
    auto offset = tail_offset(file, 2, missing);
    REQUIRE(offset);
    CHECK(text.substr(static_cast<std::size_t>(*offset)) == "19998\n19999\n");
    CHECK(missing == 0);
    CHECK(*tail_offset(file, 20'000, missing) == 0);
    CHECK(*tail_offset(file, 20'005, missing) == 0);
    CHECK(missing == 5);
    CHECK(*tail_offset(file, 0, missing) == static_cast<off_t>(text.size()));
}

TEST_CASE("parts of a log, compressed or not, are read in order") {
    LogDirectory log;
    CHECK(open_log(log.path, -1, {})->empty());
    log.write(".7", 1, 3);
    log.write(".8", 4, 6);
    log.write("", 7, 8);
    std::atomic<bool> stop{false};
    REQUIRE(compress_file(log.path + ".7", stop));
    CHECK_FALSE(os::exists(log.path + ".7"));
    auto all = open_log(log.path, -1, {});
    REQUIRE(all);
    CHECK(log.read(*all) == "1\n2\n3\n4\n5\n6\n7\n8\n");
    CHECK(all->back().number == 9);
    CHECK(log.read(*open_log(log.path, 6, {})) == "3\n4\n5\n6\n7\n8\n");
    CHECK(log.read(*open_log(log.path, 1, {})) == "8\n");
    CHECK(log.read(*open_log(log.path, 0, {})).empty());
    // Files that were last written long before are not even opened.
    auto parts = open_log(log.path, -1, WallTime{now_wall().nanoseconds + 3'600'000'000'000});
    CHECK(parts->size() == 1);

    CHECK(open_next_log(log.path, 0)->number == 7);
    CHECK(log.read([&] {
        std::vector<LogPart> one;
        one.push_back(open_next_log(log.path, 7).take());
        return one;
    }()) == "4\n5\n6\n");
    CHECK(open_next_log(log.path, 8)->number == 9);
    REQUIRE(os::remove_file(log.path));
    CHECK_FALSE(open_next_log(log.path, 8)->file);
}

TEST_CASE("a stopped compression leaves the file as it was") {
    LogDirectory log;
    log.write(".1", 1, 3);
    std::atomic<bool> stop{true};
    CHECK_FALSE(compress_file(log.path + ".1", stop));
    CHECK(os::list_directory(log.directory).take() == std::vector<std::string>{"log.local.1"});
}

TEST_CASE("a log option is refused in dockerd's words") {
    CHECK(refusal("json-file", {{"nosuch", "1"}}) == "unknown log opt 'nosuch' for json-file log driver");
    CHECK(refusal("local", {{"tag", "x"}}) == "unknown log opt 'tag' for log driver local");
    CHECK(refusal("syslog", {}) == "logger: no log driver named 'syslog' is registered");
    CHECK(refusal("none", {{"any", "thing"}}).empty());
    CHECK(refusal("local", {{"mode", "odd"}}) == "logger: logging mode not supported: odd");
    CHECK(refusal("local", {{"max-buffer-size", "1m"}}) ==
          "logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    CHECK(refusal("local", {{"max-buffer-size", "zz"}, {"mode", "non-blocking"}}) ==
          "error parsing option max-buffer-size: invalid size: 'zz'");
    const std::string start = "failed to initialize logging driver: ";
    CHECK(refusal("json-file", {{"max-size", "abc"}}) == start + "invalid size: 'abc'");
    CHECK(refusal("json-file", {{"max-size", "0"}}) == start + "max-size must be a positive number");
    CHECK(refusal("json-file", {{"max-file", "x"}}) == start + "strconv.Atoi: parsing \"x\": invalid syntax");
    CHECK(refusal("json-file", {{"max-file", "0"}}) == start + "max-file cannot be less than 1");
    CHECK(refusal("json-file", {{"compress", "true"}}) ==
          start + "compress cannot be true when max-file is less than 2 or max-size is not set");
    CHECK(refusal("json-file", {{"compress", "true"}, {"max-size", "1m"}, {"max-file", "2"}}).empty());
    CHECK(refusal("local", {{"max-size", "abc"}}) == start + "invalid value for max-size: abc: invalid size: 'abc'");
    CHECK(refusal("local", {{"max-file", "1"}}) == start + "compression cannot be enabled when max file count is 1");
    CHECK(refusal("local", {{"max-file", "1"}, {"compress", "false"}}).empty());
}

TEST_CASE("bounds that follow from the options") {
    ContainerSpec spec;
    auto plan = plan_log(spec, {}, "/d");
    CHECK((plan->path == "/d/log.json" && plan->max_bytes == 100U << 20 && plan->max_files == 5));
    CHECK_FALSE(plan->tell_rotation);
    spec.log_options = {{"max-size", "10k"}};
    plan = plan_log(spec, {}, "/d");
    CHECK((plan->max_bytes == 10240 && plan->max_files == 1));
    spec.log_driver = "local";
    spec.log_options = {};
    plan = plan_log(spec, {}, "/d");
    CHECK((plan->path == "/d/log.local" && plan->max_bytes == 20U << 20 && plan->max_files == 5));
    CHECK(plan->tell_rotation);
    spec.log_driver = "none";
    CHECK(plan_log(spec, {}, "/d")->path.empty());
}

TEST_CASE("attributes: labels, variables, tag") {
    ContainerSpec spec;
    spec.image = "busybox";
    spec.labels = {{"one", "1"}, {"two", "2"}, {"three", "3"}};
    spec.environment = {"FOO=bar", "FOX=a,b", "PLAIN"};
    spec.log_options = {{"labels", "one,four"},
                        {"labels-regex", "^t"},
                        {"env-regex", "^FO"},
                        {"tag", "{{.Name}}/{{ .ID }}-{{.ImageName}}"}};
    LogSubject subject{"0123456789abcdef", "web", "sha256:fedcba9876543210"};
    auto attributes = log_attributes(spec, subject);
    REQUIRE(attributes);
    CHECK(*attributes == std::map<std::string, std::string>{{"one", "1"},
                                                            {"two", "2"},
                                                            {"three", "3"},
                                                            {"FOO", "bar"},
                                                            {"FOX", "a,b"},
                                                            {"tag", "web/0123456789ab-busybox"}});
    spec.log_options = {{"labels-regex", "("}};
    CHECK(log_attributes(spec, subject).error().message().starts_with("error parsing regexp: "));
    CHECK(expand_log_tag("{{.Nope}}", spec, subject).error().message() ==
          "template: log-tag:1:2: executing \"log-tag\" at <.Nope>: can't evaluate field Nope in type *logger.Info");
    CHECK_FALSE(expand_log_tag("{{.Name", spec, subject));
    CHECK(*expand_log_tag("{{.ImageID}} {{.FullID}} {{.DaemonName}}", spec, subject) ==
          "fedcba987654 0123456789abcdef docker");
}

TEST_CASE("--details shows attributes as a query does") {
    LogOptions options;
    options.details = true;
    LogFormatter formatter(options, true, LogFormat::Json);
    std::string out;
    formatter.feed(R"({"log":"x\n","stream":"stdout","attrs":{"a b":"c,d","e":"\u00e9"},"time":"2026-01-01T00:00:03Z"})"
                   "\n",
                   out);
    CHECK(out == "a+b=c%2Cd,e=%C3%A9 x\n");
    for (auto bad : {R"({"log":"x","stream":"stdout","attrs":{"a":1},"time":"T"})",
                     R"({"log":"x","stream":"stdout","attrs":{"a":"b","time":"T"})"})
        CHECK_FALSE(parse_log_line(LogFormat::Json, bad));
}

TEST_CASE("a daemon's defaults are for containers that name no driver, or the same") {
    LogDefaults defaults{"local", {{"max-size", "1m"}}};
    auto settled = [&](const char* text) {
        auto host = boost::json::parse(text).as_object();
        auto done = settle_log_config(host, defaults);
        return done ? boost::json::serialize(host["LogConfig"]) : done.error().message();
    };
    CHECK(settled("{}") == R"({"Type":"local","Config":{"max-size":"1m"}})");
    CHECK(settled(R"({"LogConfig":{"Type":"","Config":{"max-file":"3"}}})") ==
          R"({"Type":"local","Config":{"max-file":"3","max-size":"1m"}})");
    CHECK(settled(R"({"LogConfig":{"Type":"local","Config":{"max-size":"2m"}}})") ==
          R"({"Type":"local","Config":{"max-size":"2m"}})");
    CHECK(settled(R"({"LogConfig":{"Type":"json-file"}})") == R"({"Type":"json-file","Config":{}})");
    CHECK(settled(R"({"LogConfig":{"Type":"nosuch"}})").starts_with("logger: no log driver"));
}
