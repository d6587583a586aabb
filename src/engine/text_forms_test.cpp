// SPDX-License-Identifier: Apache-2.0
// Signals, detach keys, log lines, /etc files.
#include <csignal>

#include <doctest/doctest.h>

#include "engine/engine.h"
#include "engine/etc_files.h"
#include "engine/log_reader.h"

using namespace pila;
using namespace pila::engine;

TEST_CASE("signals by name and number") {
    CHECK(*parse_signal("TERM") == SIGTERM);
    CHECK(*parse_signal("sigkill") == SIGKILL);
    CHECK(*parse_signal("9") == 9);
    CHECK(*parse_signal("RTMIN+3") == 37);
    CHECK(*parse_signal("SIGRTMAX-1") == 63);
    for (auto bad : {"", "0", "65", "-9", "NOPE", "RTMIN+99", "RTMAX+1"}) CHECK_FALSE(parse_signal(bad));
}

TEST_CASE("detach keys") {
    CHECK(*parse_detach_keys("ctrl-p,ctrl-q") == "\x10\x11");
    CHECK(*parse_detach_keys("a,ctrl-\\") == "a\x1c");
    CHECK(*parse_detach_keys("ctrl-@") == std::string(1, '\0'));
    for (auto bad : {"ctrl-", "ctrl-P", "ab", "ctrl-p,,a"}) CHECK_FALSE(parse_detach_keys(bad));
}

TEST_CASE("log lines are read back and framed") {
    auto line = parse_log_line(LogFormat::Json,
                               R"({"log":"a\"b\\\u0001\n","stream":"stderr","time":"2026-01-02T03:04:05.5Z"})");
    REQUIRE(line);
    CHECK(line->text == "a\"b\\\x01\n");
    CHECK(line->is_error);
    for (auto bad : {"", "{\"log\":\"x", "{\"log\":\"x\\u12\",\"stream\":\"stdout\",\"time\":\"\"}", "{}", "nonsense"})
        CHECK_FALSE(parse_log_line(LogFormat::Json, bad));

    LogOptions options;
    options.since = *parse_rfc3339("2026-01-01T00:00:02Z");
    LogFormatter formatter(options, false, LogFormat::Json);
    std::string out;
    // Cut anywhere, even inside a line.
    formatter.feed("{\"log\":\"old\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:01Z\"}\n{\"log\":\"ne", out);
    formatter.feed("w\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:03Z\"}\ngarbage\n", out);
    CHECK(out == std::string("\1\0\0\0\0\0\0\4new\n", 12));

    LogOptions stamped;
    stamped.timestamps = true;
    LogFormatter aligned(stamped, true, LogFormat::Json);
    out.clear();
    aligned.feed("{\"log\":\"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:03.25Z\"}\n", out);
    aligned.feed("{\"log\":\"y\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:03Z\"}\n", out);
    CHECK(out == "2026-01-01T00:00:03.250000000Z x\n2026-01-01T00:00:03.000000000Z y\n");
}

TEST_CASE("resolv.conf leaves out what a container cannot reach") {
    ContainerSpec spec;
    auto host = "# comment\nnameserver 127.0.0.1\nnameserver 10.0.0.2\nsearch a.example b.example\noptions ndots:2\n";
    CHECK(resolv_conf_text(spec, host, false, false) ==
          "nameserver 10.0.0.2\nsearch a.example b.example\noptions ndots:2\n");
    CHECK(resolv_conf_text(spec, "nameserver 127.0.0.53\n", false, false) ==
          "nameserver 8.8.8.8\nnameserver 8.8.4.4\n");
    CHECK(resolv_conf_text(spec, host, true, false).starts_with("nameserver 127.0.0.11\n"));
    spec.dns = {"1.2.3.4"};
    spec.dns_search = {"."};
    CHECK(resolv_conf_text(spec, host, false, false) == "nameserver 1.2.3.4\noptions ndots:2\n");
}

TEST_CASE("hosts") {
    ContainerSpec spec;
    spec.hostname = "web";
    spec.domainname = "example";
    spec.extra_hosts = {"db:10.1.1.1", "gate:host-gateway", "six:[fd00::1]"};
    network::Endpoint endpoint;
    endpoint.ipv4 = "172.17.0.2";
    auto text = hosts_text(spec, {endpoint}, "172.17.0.1");
    CHECK(text.find("10.1.1.1\tdb\n") != std::string::npos);
    CHECK(text.find("172.17.0.1\tgate\n") != std::string::npos);
    CHECK(text.find("fd00::1\tsix\n") != std::string::npos);
    CHECK(text.ends_with("172.17.0.2\tweb.example web\n"));
}
