// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/admit.h"
#include "cluster/controllers/testing_internal.h"

using namespace pila;
using namespace pila::cluster;
using namespace pila::cluster::controllers;

namespace {

std::string pod(std::string_view name) {
    return R"({"metadata":{"name":")" + std::string(name) +
           R"("},"spec":{"containers":[{"name":"c","image":"i","resources":{"requests":{"cpu":"1"}}}]}})";
}

std::string used(const World& world) {
    auto quota = world.get("", "resourcequotas", "q");
    REQUIRE(quota);
    const auto* amounts = value_in(*quota, "status.used");
    return amounts ? json::serialize(*amounts) : "";
}

}  // namespace

TEST_CASE("a quota counts what is there when it is made, and what goes later") {
    World world;
    api::Admit admit(world.registry());
    world.make("", "pods", pod("a"));
    world.make("", "resourcequotas", R"({"metadata":{"name":"q"},"spec":{"hard":{"pods":"3","requests.cpu":"9"}}})");
    world.settle();
    CHECK(used(world) == R"({"pods":"1","requests.cpu":"1"})");
    world.make("", "pods", pod("b"));
    CHECK(used(world) == R"({"pods":"2","requests.cpu":"2"})");  // charged, before any controller ran
    world.change("", "pods", "b", R"({"status":{"phase":"Succeeded"}})", "status");
    world.pass(1);
    CHECK(used(world) == R"({"pods":"1","requests.cpu":"1"})");
    world.remove("", "pods", "a");
    world.settle();
    CHECK(used(world) == R"({"pods":"0","requests.cpu":"0"})");
}

TEST_CASE("a quota's wish becomes what is enforced, and nothing is written when nothing changes") {
    World world;
    api::Admit admit(world.registry());
    world.make("", "resourcequotas", R"({"metadata":{"name":"q"},"spec":{"hard":{"pods":"3"}}})");
    world.settle();
    world.change("", "resourcequotas", "q", R"({"spec":{"hard":{"pods":null,"configmaps":"5"}}})");
    world.settle();
    auto quota = world.get("", "resourcequotas", "q");
    CHECK(json::serialize(*value_in(*quota, "status.hard")) == R"({"configmaps":"5"})");
    CHECK(used(world) == R"({"configmaps":"1"})");  // kube-root-ca.crt
    world.pass(10);
    auto revision = world.state().revision();
    world.restart();
    CHECK(world.state().revision() == revision);
}

TEST_CASE("a replica set that met its quota goes on when there is room") {
    World world;
    api::Admit admit(world.registry());
    world.make("", "resourcequotas", R"({"metadata":{"name":"q"},"spec":{"hard":{"pods":"2"}}})");
    world.settle();
    world.make("apps", "deployments", deployment_of("web", 5, "nginx"));
    world.settle();
    CHECK(world.all("", "pods").size() == 2);
    world.change("", "resourcequotas", "q", R"({"spec":{"hard":{"pods":"4"}}})");
    world.pass(2000);
    CHECK(world.all("", "pods").size() == 4);
}
