// SPDX-License-Identifier: Apache-2.0
#include "engine/spec.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "engine/names.h"
#include "engine/spec_internal.h"

using namespace pila;
using namespace pila::engine;

static const std::string id(64, 'a');

static Result<ContainerSpec> make(std::string_view body, const image::ImageConfig& image = {}) {
    auto value = parse_json(body);
    REQUIRE(value);
    return make_spec(value->get_object(), image, id);
}

TEST_CASE("the image completes what the request leaves open") {
    image::ImageConfig image;
    image.command = {"sh"};
    image.entrypoint = {"/entry"};
    image.environment = {"PATH=/bin", "A=image", "B=image"};
    image.working_directory = "/work";
    image.user = "www";
    image.exposed_ports = {"80"};
    image.labels = {{"kept", "1"}, {"replaced", "image"}};
    auto spec = make(R"({"Image":"x","Env":["A=own"],"Labels":{"replaced":"own"}})", image);
    REQUIRE(spec);
    CHECK(spec->full_command() == std::vector<std::string>{"/entry", "sh"});
    CHECK(spec->environment == std::vector<std::string>{"A=own", "PATH=/bin", "B=image"});
    CHECK(spec->working_directory == "/work");
    CHECK(spec->user == "www");
    CHECK(spec->exposed_ports == std::vector<std::string>{"80/tcp"});
    CHECK(spec->labels == std::map<std::string, std::string>{{"kept", "1"}, {"replaced", "own"}});
    CHECK(spec->hostname == id.substr(0, 12));
}

TEST_CASE("an entrypoint of its own discards the image's command") {
    image::ImageConfig image;
    image.command = {"sh"};
    image.entrypoint = {"/entry"};
    CHECK(make(R"({"Entrypoint":["/own"]})", image)->full_command() == std::vector<std::string>{"/own"});
    CHECK(make(R"({"Cmd":["ls"]})", image)->full_command() == std::vector<std::string>{"/entry", "ls"});
    CHECK(make(R"({"Entrypoint":[""],"Cmd":["ls"]})", image)->full_command() == std::vector<std::string>{"ls"});
}

TEST_CASE("the stored form reads back the same") {
    auto spec = make(
        R"({"Image":"x","Cmd":["ls"],"HostConfig":{"NetworkMode":"none","PortBindings":{"80/tcp":[{"HostPort":"8080"}]},
        "Binds":["/a:/b:ro"],"AutoRemove":true},"NetworkingConfig":{"EndpointsConfig":{"n":{"Aliases":["w"]}}}})");
    REQUIRE(spec);
    auto again = load_spec(spec->config_json, spec->host_config_json, spec->networking_json);
    REQUIRE(again);
    CHECK(again->auto_remove);
    CHECK(again->network_mode == "none");
    REQUIRE(again->ports.size() == 1);
    CHECK(again->ports[0].host_port == 8080);
    REQUIRE(again->mounts.size() == 1);
    CHECK(again->mounts[0].read_only);
    REQUIRE(again->endpoints.size() == 1);
    CHECK(again->endpoints[0].aliases == std::vector<std::string>{"w"});
    CHECK(again->host_config_json == spec->host_config_json);
}

TEST_CASE("wrong types and values are refused by name") {
    auto message = [](std::string_view body) {
        auto spec = make(body);
        REQUIRE_FALSE(spec);
        CHECK(spec.error().code() == Errc::Invalid);
        return spec.error().message();
    };
    CHECK(message(R"({"Tty":"yes"})") == "invalid JSON: field Tty must be true or false");
    CHECK(message(R"({"Cmd":{"a":1}})") == "invalid JSON: field Cmd must be a list of strings");
    CHECK(message(R"({"HostConfig":[]})") == "invalid JSON: field HostConfig must be an object");
    CHECK(message(R"({"HostConfig":{"Binds":["/a:b"]}})").find("mount path must be absolute") != std::string::npos);
    CHECK(message(R"({"HostConfig":{"Binds":["/a:/"]}})").find("destination can't be '/'") != std::string::npos);
    CHECK(message(R"({"HostConfig":{"PortBindings":{"99999/tcp":[]}}})").find("invalid port") != std::string::npos);
    CHECK(message(R"({"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"9-8"}]}}})").find("invalid port") !=
          std::string::npos);
    CHECK(message(R"({"HostConfig":{"RestartPolicy":{"Name":"sometimes"}}})").find("restart policy") !=
          std::string::npos);
    CHECK(message(R"({"HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}})").find("AutoRemove") !=
          std::string::npos);
    CHECK(message(R"({"Hostname":"a/../b"})").find("hostname") != std::string::npos);
    CHECK(message(R"({"Env":["=x"]})").find("environment") != std::string::npos);
}

TEST_CASE("names of containers") {
    CHECK(*checked_name("/web-1.a_B") == "web-1.a_B");
    for (auto bad : {"", "a", "-ab", "a b", "../ab", "a/b", ".ab",
                     "\xc3\xa9"
                     "ab"})
        CHECK_FALSE(checked_name(bad));
    for (int i = 0; i < 50; ++i) CHECK(checked_name(random_name(i % 6)));
}
