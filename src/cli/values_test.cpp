// SPDX-License-Identifier: Apache-2.0
// Ports, volumes, mounts, environment files, names of images, detach keys.
#include <doctest/doctest.h>
#include <cstdlib>

#include "cli/csv.h"
#include "cli/detach_keys.h"
#include "cli/env_file.h"
#include "cli/json_helpers.h"
#include "cli/mounts.h"
#include "cli/network_options.h"
#include "cli/ports.h"
#include "cli/published_ports.h"
#include "cli/reference.h"

using namespace pila;
using namespace pila::cli;

static std::string published(std::string_view text) {
    auto parsed = parse_publish(text);
    if (!parsed) return parsed.error().message();
    std::string out;
    for (const auto& binding : *parsed) out += binding.host_ip + "|" + binding.host_port + "|" + binding.port + " ";
    return out;
}

TEST_CASE("port specifications") {
    CHECK(published("80") == "||80/tcp ");
    CHECK(published("8080:80/UDP") == "|8080|80/udp ");
    CHECK(published("127.0.0.1::80") == "127.0.0.1||80/tcp ");
    CHECK(published("[::1]:80:80") == "::1|80|80/tcp ");
    CHECK(published("::1:80:80") == "::1|80|80/tcp ");
    CHECK(published("8000-8001:80-81") == "|8000|80/tcp |8001|81/tcp ");
    CHECK(published("8000-8010:80") == "|8000-8010|80/tcp ");
    CHECK(published("published=1,target=2,protocol=sctp") == "|1|2/sctp ");
    CHECK(published("8000-8001:80-83") == "invalid ranges specified for container and host Ports: 80-83 and 8000-8001");
    CHECK(published("65536:1") == "invalid hostPort: 65536");
    CHECK(published("1:80-79") == "invalid containerPort: 80-79");
    CHECK(published("1:80/x") == "invalid proto: x");
    CHECK(published("") == "no port specified: <empty>");
    CHECK_FALSE(parse_publish("[::1:80:80"));
    CHECK(parse_expose("100-101/udp").value() == std::vector<std::string>{"100/udp", "101/udp"});
    CHECK_FALSE(parse_expose("1:2"));
}

TEST_CASE("the PORTS column joins neighbours") {
    auto ports = parse_json(R"([{"PrivatePort":80,"PublicPort":8080,"IP":"0.0.0.0","Type":"tcp"},
        {"PrivatePort":443,"Type":"tcp"},{"PrivatePort":444,"Type":"tcp"},
        {"PrivatePort":90,"PublicPort":90,"IP":"::","Type":"udp"},{"PrivatePort":91,"PublicPort":91,"IP":"::","Type":"udp"}])");
    CHECK(published_ports(ports->as_array()) == "[::]:90-91->90-91/udp, 443-444/tcp, 0.0.0.0:8080->80/tcp");
}

TEST_CASE("volumes and mounts") {
    CHECK(parse_volume("/data")->anonymous);
    CHECK(parse_volume("name:/data:ro")->bind == "name:/data:ro");
    CHECK(parse_volume("/a:/b:ro:x").error().message() == "invalid spec: /a:/b:ro:x: too many colons");
    CHECK(parse_volume("").error().message() == "invalid empty volume spec");
    CHECK(parse_volume("./x:/y")->bind.front() == '/');
    CHECK(parse_mount("type=bind,src=/a,dst=/b,readonly").value() ==
          R"({"Type":"bind","Source":"/a","Target":"/b","ReadOnly":true})");
    CHECK(parse_mount("target=/x,foo=bar").error().message() == "unexpected key 'foo' in 'foo=bar'");
    CHECK(parse_mount("type=bind,source=/x").error().message() == "target is required");
    CHECK(split_csv("\"a,b\",c,\"d\"\"e\"").value() == std::vector<std::string>{"a,b", "c", "d\"e"});
    CHECK_FALSE(split_csv("\"a"));
    CHECK_FALSE(split_csv("a\"b"));
}

TEST_CASE("networks") {
    CHECK(parse_network("mine")->target == "mine");
    auto network = parse_network("name=mine,alias=a,alias=b,gw-priority=-3,driver-opt=x=y=z");
    CHECK(network->aliases == std::vector<std::string>{"a", "b"});
    CHECK(network->gateway_priority == -3);
    CHECK(network->driver_options[0].second == "y=z");
    CHECK(parse_network("alias=x").error().message() == "network name/id is not specified");
    CHECK_FALSE(is_user_defined_network("container:x"));
    CHECK(is_user_defined_network("mine"));
}

TEST_CASE("environment files") {
    ::setenv("PILA_CLI_TEST", "inherited", 1);
    ::unsetenv("PILA_CLI_TEST_UNSET");
    auto parse = [](std::string_view text) { return parse_env_text(text, "f", BareNames::FromEnvironment); };
    CHECK(parse("\xef\xbb\xbf# no\nA=1 \n\n  B=x=y\r\nPILA_CLI_TEST\nPILA_CLI_TEST_UNSET\nC=").value() ==
          std::vector<std::string>{"A=1 ", "B=x=y", "PILA_CLI_TEST=inherited", "C="});
    CHECK(parse("bad name=1").error().message() == "invalid env file (f): variable 'bad name' contains whitespaces");
    CHECK(parse("=1").error().message() == "invalid env file (f): no variable name on line '=1'");
    CHECK_FALSE(parse("A=\xff"));
    CHECK(parse_env_text("A\nB=1", "f", BareNames::Drop).value() == std::vector<std::string>{"B=1"});
}

TEST_CASE("names of images") {
    auto full = [](std::string_view text) {
        auto parsed = parse_reference(text);
        return parsed ? parsed->full() + " " + parsed->familiar() : parsed.error().message();
    };
    CHECK(full("busybox") == "docker.io/library/busybox busybox");
    CHECK(full("a/b:1.0") == "docker.io/a/b:1.0 a/b:1.0");
    CHECK(full("localhost/x") == "localhost/x localhost/x");
    CHECK(full("reg.example.com:5000/a/b/c:tag") == "reg.example.com:5000/a/b/c:tag reg.example.com:5000/a/b/c:tag");
    CHECK(full("docker.io/library/x") == "docker.io/library/x x");
    CHECK(full("[::1]:5000/x") == "[::1]:5000/x [::1]:5000/x");
    CHECK(full("BAD") == "invalid reference format: repository name (library/BAD) must be lowercase");
    for (std::string_view wrong :
         {"", ":", "a:", "a b", "a//b", "-a", "a-", "a..b", "x@sha256:12", "a:b:c", "/a", "a/", "a:-x"})
        CHECK(full(wrong) == "invalid reference format");
    CHECK_FALSE(parse_reference(std::string(64, 'a')));
}

TEST_CASE("detach keys") {
    CHECK(parse_detach_keys("ctrl-p,ctrl-q").value() == "\x10\x11");
    CHECK(parse_detach_keys("a,DEL,ctrl-[").value() == "a\x7f\x1b");
    CHECK_FALSE(parse_detach_keys("ctrl-"));
    DetachWatch watch("\x10\x11");
    std::string pass;
    CHECK_FALSE(watch.feed("ab\x10", pass));
    CHECK(pass == "ab");
    CHECK_FALSE(watch.feed("\x10x", pass));
    CHECK(pass == "ab\x10\x10x");
    CHECK(watch.feed("y\x10\x11never", pass));
    CHECK(pass == "ab\x10\x10xy");
    DetachWatch none("");
    pass.clear();
    CHECK_FALSE(none.feed("\x10\x11", pass));
    CHECK(pass == "\x10\x11");
}
