// SPDX-License-Identifier: Apache-2.0
// What a request to change a container says, and what it makes of the container's settings.
#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "engine/set_request.h"
#include "image/image_config.h"

using namespace pila;
using namespace pila::engine;

static json::object object(std::string_view text) { return parse_json(text).value_or(json::value()).as_object(); }

static Result<SetRequest> read(std::string_view text) { return read_set_request(object(text)); }

static ContainerSpec spec_of(std::string_view body) {
    image::ImageConfig image;
    image.command = {"sh"};
    return make_spec(object(body), image, "0123456789abcdef").take();
}

TEST_CASE("a body says what it wants, and nothing else") {
    auto request = read(R"({"Memory": 1073741824, "CpuShares": 0, "RestartPolicy": {"Name": ""}, "PidsLimit": 0,
        "PortBindings": {"80": [{"HostPort": "8080"}]}, "RemovePortBindings": {"81/udp": null, "82": [{"HostPort": "1-5"}]},
        "Binds": ["data:/data:ro"], "Mounts": [{"Type": "tmpfs", "Target": "/t"}], "Tmpfs": {"/u": "size=1m"},
        "RemoveMounts": ["/old/"], "Networks": {"net": {"Aliases": ["a"]}}, "RemoveNetworks": ["gone"], "Force": true})");
    REQUIRE(request);
    CHECK(request->limits == object(R"({"Memory": 1073741824, "PidsLimit": 0})"));
    REQUIRE(request->add_ports.size() == 1);
    CHECK(request->add_ports[0].host_port == 8080);
    REQUIRE(request->remove_ports.size() == 2);
    CHECK(request->remove_ports[0].protocol == "udp");
    CHECK(request->remove_ports[1].host_port_end == 5);
    REQUIRE(request->add_mounts.size() == 3);
    CHECK(request->add_mounts[0].read_only);
    CHECK(request->add_networks.at(0).aliases == std::vector<std::string>{"a"});
    CHECK(request->force);
    CHECK_FALSE(request->empty());
    CHECK(read("{}")->empty());
    CHECK(read(R"({"Force": true, "CpuShares": 0})")->empty());
    for (auto wrong :
         {R"({"Nonsense": 1})", R"({"PortBindings": {"x": []}})", R"({"PortBindings": []})",
          R"({"Binds": ["/a:/proc"]})", R"({"Tmpfs": {"/sys/fs": ""}})", R"({"Binds": ["/a:/x", "/b:/x/"]})",
          R"({"RemoveMounts": ["/"]})", R"({"RemoveMounts": ["x"]})", R"({"RemovePortBindings": {"80": 1}})",
          R"({"Networks": {"n": {}}, "RemoveNetworks": ["n"]})", R"({"Force": 1})"}) {
        CAPTURE(wrong);
        auto refused = read(wrong);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code() == Errc::Invalid);
    }
}

TEST_CASE("targets are compared without what makes no difference") {
    CHECK(clean_target("/a//b/./c/") == "/a/b/c");
    CHECK(clean_target("//") == "/");
}

TEST_CASE("ports: bindings come and go, and what they hold with them") {
    auto spec = spec_of(R"({"ExposedPorts": {"80/tcp": {}, "81/tcp": {}}, "HostConfig": {"PortBindings": {
        "80/tcp": [{"HostPort": "8080"}, {"HostPort": "", "HostIp": ""}], "81/tcp": [{"HostPort": "9000-9010"}]}}})");
    std::vector<network::PublishedPort> published{{"tcp", 80, 8080, "0.0.0.0"},  {"tcp", 80, 8080, "::"},
                                                  {"tcp", 80, 32768, "0.0.0.0"}, {"tcp", 80, 32768, "::"},
                                                  {"tcp", 81, 9003, "0.0.0.0"},  {"tcp", 81, 9003, "::"}};
    std::vector<std::string> of_image{"81"};
    auto plan = [&](std::string_view body) { return plan_set(*read(body), {spec, {}, published, of_image}); };
    auto gone = [&](std::string_view body) {
        auto planned = plan(body);
        REQUIRE(planned);
        std::vector<int> ports;
        for (const auto& port : planned->gone_ports)
            if (port.host_ip != "::") ports.push_back(port.host_port);
        CHECK(planned->gone_ports.size() == 2 * ports.size());
        return ports;
    };
    CHECK(gone(R"({"RemovePortBindings": {"80": [{"HostPort": "8080"}]}})") == std::vector{8080});
    CHECK(gone(R"({"RemovePortBindings": {"80": [{"HostPort": "32768"}]}})") == std::vector{32768});
    CHECK(gone(R"({"RemovePortBindings": {"80": null}})") == std::vector{8080, 32768});
    CHECK(gone(R"({"RemovePortBindings": {"81": [{"HostPort": "9003"}]}})") == std::vector{9003});
    for (auto nothing : {R"({"RemovePortBindings": {"80": [{"HostPort": "8081"}]}})",
                         R"({"RemovePortBindings": {"82": null}})", R"({"RemovePortBindings": {"80/udp": null}})",
                         R"({"RemovePortBindings": {"80": [{"HostIp": "127.0.0.1"}]}})"})
        CHECK(plan(nothing).error().code() == Errc::NotFound);
    auto less =
        plan(R"({"RemovePortBindings": {"80": null, "81": null}, "PortBindings": {"82": [{"HostPort": "82"}]}})");
    REQUIRE(less);
    REQUIRE(less->spec->ports.size() == 1);
    CHECK(less->spec->ports[0].container_port == 82);
    // 81 is the image's to expose.
    CHECK(less->spec->exposed_ports == std::vector<std::string>{"81/tcp", "82/tcp"});
}

TEST_CASE("mounts go in whichever way they came") {
    auto spec = spec_of(R"({"Volumes": {"/anonymous": {}}, "HostConfig": {"Binds": ["/host:/bind", "/x:/y"],
        "Mounts": [{"Type": "tmpfs", "Target": "/mount"}], "Tmpfs": {"/tmpfs": ""}}})");
    std::vector<VolumeMount> mounts;
    for (auto target : {"/bind", "/y", "/mount", "/tmpfs", "/anonymous"}) {
        auto& mount = mounts.emplace_back();
        mount.type = "bind";
        mount.destination = target;
    }
    auto plan = [&](std::string_view body) { return plan_set(*read(body), {spec, mounts, {}, {}}); };
    auto all = plan(R"({"RemoveMounts": ["/bind/", "/mount", "/tmpfs", "/anonymous"], "Binds": ["/new:/bind"]})");
    REQUIRE(all);
    CHECK(all->gone_mounts.size() == 4);
    REQUIRE(all->kept_mounts.size() == 1);
    CHECK(all->spec->anonymous_volumes.empty());
    REQUIRE(all->spec->mounts.size() == 2);
    CHECK(all->spec->mounts[1].source == "/new");
    CHECK(plan(R"({"Binds": ["/a:/y"]})").error().code() == Errc::Invalid);
    CHECK(plan(R"({"RemoveMounts": ["/nothing"]})").error().code() == Errc::NotFound);
    mounts[1].destination = "/bind/below";
    CHECK(plan(R"({"RemoveMounts": ["/bind"]})").error().code() == Errc::Conflict);
    CHECK(plan(R"({"RemoveMounts": ["/bind", "/bind/below"]})"));
    mounts.erase(mounts.begin());
    CHECK(plan(R"({"Binds": ["/a:/bind"]})").error().code() == Errc::Conflict);
}

TEST_CASE("networks: the one that a start connects in any case moves on") {
    auto plan = [&](std::string_view mode, std::string_view body) {
        auto spec = spec_of(json::serialize(json::object{{"HostConfig", {{"NetworkMode", mode}}}}));
        return plan_set(*read(body), {spec, {}, {}, {}});
    };
    auto moved =
        plan("bridge",
             R"({"Networks": {"net": {"IPAMConfig": {"IPv4Address": "10.0.0.9"}}}, "RemoveNetworks": ["bridge"]})");
    REQUIRE(moved);
    CHECK(moved->spec->network_mode == "net");
    CHECK(moved->spec->endpoints.at(0).ipv4 == "10.0.0.9");
    CHECK(plan("bridge", R"({"RemoveNetworks": ["bridge"]})")->spec->network_mode == "none");
    CHECK(plan("none", R"({"Networks": {"net": null}})")->spec->network_mode == "net");
    CHECK(plan("host", R"({"Networks": {"net": null}})").error().code() == Errc::Denied);
    CHECK_FALSE(plan("container:x", R"({"PortBindings": {"80": [{}]}})"));
}
