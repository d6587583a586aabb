// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

namespace {

std::string service(const std::string& name, const std::string& spec) {
    return R"({"metadata":{"name":")" + name + R"("},"spec":{"selector":{"app":"web"},"ports":[{"port":80}])" +
           (spec.empty() ? "" : "," + spec) + "}}";
}

std::string refusal(World& world, const std::string& text) {
    Client client(world.registry(), "test");
    auto object = codec::read_json(text, {}).take().get_object();
    make_object_in(object, "metadata")["namespace"] = "default";
    auto made = client.create(kind_of("", "v1", "services"), std::move(object));
    return made ? "" : made.error().message;
}

json::array slice_endpoints(const World& world) {
    json::array endpoints;
    for (const auto& slice : world.all("discovery.k8s.io", "endpointslices"))
        if (const auto* list = list_in(slice, "endpoints"))
            endpoints.insert(endpoints.end(), list->begin(), list->end());
    return endpoints;
}

}  // namespace

TEST_CASE("every service has an address of its own, also after a restart") {
    World world;
    std::set<std::string> addresses;
    for (int index = 0; index < 20; ++index) {
        auto made = world.make("", "services", service("s" + std::to_string(index), ""));
        addresses.insert(std::string(text_in(made, "spec.clusterIP")));
        CHECK(list_in(made, "spec.clusterIPs")->size() == 1);
    }
    CHECK(addresses.size() == 20);
    for (const auto& address : addresses) CHECK(address.starts_with("10."));

    api::Registry after(world.state());  // it has to find out what is taken
    Client client(after, "test");
    auto taken = service("late", R"("clusterIP":")" + *addresses.begin() + "\"");
    auto object = codec::read_json(taken, {}).take().get_object();
    make_object_in(object, "metadata")["namespace"] = "default";
    auto made = client.create(kind_of("", "v1", "services"), object);
    REQUIRE_FALSE(made);
    CHECK(made.error().code == 422);
}

TEST_CASE("addresses and ports that were asked for, and what is said of those that are not to be had") {
    World world;
    auto made = world.make("", "services", service("dns", R"("clusterIP":"10.96.0.10")"));
    CHECK(text_in(made, "spec.clusterIP") == "10.96.0.10");
    CHECK(refusal(world, service("other", R"("clusterIP":"10.96.0.10")"))
              .ends_with("failed to allocate IP 10.96.0.10: provided IP is already allocated"));
    CHECK(refusal(world, service("other", R"("clusterIP":"10.0.0.1")")).find("is not in the valid range") !=
          std::string::npos);
    CHECK(text_in(world.make("", "services", service("none", R"("clusterIP":"None")")), "spec.clusterIP") == "None");
    world.remove("", "services", "dns");
    CHECK(refusal(world, service("other", R"("clusterIP":"10.96.0.10")")).empty());

    const std::string fixed = R"({"metadata":{"name":"NAME"},"spec":{"type":"NodePort","ports":[)"
                              R"({"name":"t","port":53,"nodePort":30053,"protocol":"TCP"},)"
                              R"({"name":"u","port":53,"nodePort":30053,"protocol":"UDP"}]}})";
    auto named = [&](std::string name) { return std::string(fixed).replace(fixed.find("NAME"), 4, name); };
    CHECK(refusal(world, named("first")).empty());
    CHECK(refusal(world, named("second")).find("provided port is already allocated") != std::string::npos);
    world.remove("", "services", "first");
    CHECK(refusal(world, named("second")).empty());
}

TEST_CASE("a refused service takes nothing") {
    World world;
    CHECK_FALSE(refusal(world, R"({"metadata":{"name":"bad"},"spec":{"clusterIP":"10.96.0.77","ports":[{"port":0}]}})")
                    .empty());
    CHECK(refusal(world, service("good", R"("clusterIP":"10.96.0.77")")).empty());
}

TEST_CASE("a service changes its type and back") {
    World world;
    auto made = world.make("", "services", service("web", R"("type":"NodePort")"));
    auto ports = list_in(made, "spec.ports");
    auto port = number_in((*ports)[0].get_object(), "nodePort");
    CHECK(port >= 30000);
    CHECK(port <= 32767);
    auto address = std::string(text_in(made, "spec.clusterIP"));
    made = world.change("", "services", "web", R"({"spec":{"ports":[{"port":80,"targetPort":8080}]}})");
    CHECK(number_in((*list_in(made, "spec.ports"))[0].get_object(), "nodePort") == port);  // kept
    made = world.change("", "services", "web", R"({"spec":{"type":"ClusterIP"}})");
    CHECK(number_in((*list_in(made, "spec.ports"))[0].get_object(), "nodePort") == 0);
    CHECK(text_in(made, "spec.clusterIP") == address);
    world.make("", "services",
               R"({"metadata":{"name":"next"},"spec":{"type":"NodePort","ports":[{"port":1,"nodePort":)" +
                   std::to_string(port) + "}]}}");
}

TEST_CASE("endpoints follow the pods") {
    World world;
    world.make("", "services", service("web", R"("publishNotReadyAddresses":false)"));
    world.make("apps", "replicasets", deployment_of("web", 2, "i"));
    world.settle();
    CHECK_FALSE(list_in(*world.get("", "endpoints", "web"), "subsets"));
    CHECK(world.all("discovery.k8s.io", "endpointslices").size() == 1);  // which says that there is nobody
    auto pods = world.all("", "pods");
    for (const auto& pod : pods)
        world.change("", "pods", text_in(pod, "metadata.name"), R"({"status":{"podIP":"10.9.9.9"}})", "status");
    world.be_ready(text_in(pods[0], "metadata.name"), "10.1.1.1");
    world.settle();
    const auto endpoints = *world.get("", "endpoints", "web");
    const auto* subsets = list_in(endpoints, "subsets");
    REQUIRE(subsets);
    REQUIRE(subsets->size() == 1);
    const auto& subset = (*subsets)[0].get_object();
    CHECK(list_in(subset, "addresses")->size() == 1);
    CHECK(text_in((*list_in(subset, "addresses"))[0].get_object(), "ip") == "10.1.1.1");
    CHECK(list_in(subset, "notReadyAddresses")->size() == 1);
    CHECK(number_in((*list_in(subset, "ports"))[0].get_object(), "port") == 80);
    CHECK(slice_endpoints(world).size() == 2);
    CHECK(world.all("discovery.k8s.io", "endpointslices").size() == 1);

    world.remove("", "services", "web");
    world.settle();
    CHECK_FALSE(world.get("", "endpoints", "web"));
    CHECK(world.all("discovery.k8s.io", "endpointslices").empty());
}

TEST_CASE("a hundred addresses a slice, and those that stay stay where they are") {
    World world;
    world.make("", "services", service("web", ""));
    world.make("apps", "replicasets", deployment_of("web", 150, "i"));
    world.all_ready();
    world.all_ready();
    CHECK(slice_endpoints(world).size() == 150);
    CHECK(world.all("discovery.k8s.io", "endpointslices").size() == 2);
    auto before = world.all("discovery.k8s.io", "endpointslices");
    auto gone = std::string(text_in((*list_in(before[0], "endpoints"))[0].get_object(), "targetRef.name"));
    world.change("apps", "replicasets", "web", R"({"spec":{"replicas":149}})");
    world.remove("", "pods", gone);
    world.settle();
    CHECK(slice_endpoints(world).size() == 149);
    auto after = world.all("discovery.k8s.io", "endpointslices");
    CHECK(text_in(after[1], "metadata.resourceVersion") == text_in(before[1], "metadata.resourceVersion"));
}

TEST_CASE("a service without a selector is left to whoever writes its endpoints") {
    World world;
    world.make("", "services", R"({"metadata":{"name":"db"},"spec":{"ports":[{"port":5432}]}})");
    world.make("", "endpoints",
               R"({"metadata":{"name":"db"},"subsets":[{"addresses":[{"ip":"10.2.3.4"}],"ports":[{"port":5432}]}]})");
    world.settle();
    CHECK(list_in(*world.get("", "endpoints", "db"), "subsets")->size() == 1);
    auto slices = world.all("discovery.k8s.io", "endpointslices");
    REQUIRE(slices.size() == 1);  // the mirror's
    CHECK(controller_of(slices[0])->kind == "Endpoints");
}

}  // namespace pila::cluster::controllers
