// SPDX-License-Identifier: Apache-2.0
// What is made for others, and what goes by itself: ephemeral claims, mirrored slices, tokens, requests.
#include "cluster/controllers/testing_internal.h"
#include "crypto/base64.h"

namespace pila::cluster::controllers {

namespace {

std::string expiring(const World& world, const std::string& id, std::int64_t seconds) {
    auto end = codec::format_time(world.now() / 1'000'000 + seconds);
    return R"({"metadata":{"name":"bootstrap-token-)" + id +
           R"(","namespace":"kube-system"},"type":"bootstrap.kubernetes.io/token","data":{"expiration":")" +
           crypto::base64_encode(end) + R"(","token-id":")" + crypto::base64_encode(id) + R"(","token-secret":")" +
           crypto::base64_encode("0123456789abcdef") + "\"}}";
}

std::size_t count(const World& world, std::string_view plural, std::string_view name) {
    std::size_t found = 0;
    for (const auto& one : world.all("", plural)) found += text_in(one, "metadata.name") == name;
    return found;
}

}  // namespace

TEST_CASE("a token for nodes that join goes when it expires") {
    World world;
    world.make("", "namespaces", R"({"metadata":{"name":"kube-system"}})");
    world.make("", "secrets", expiring(world, "aaaaaa", 100));
    world.make("", "secrets", expiring(world, "bbbbbb", 1000));
    world.settle();
    world.pass(99);
    CHECK(count(world, "secrets", "bootstrap-token-aaaaaa") == 1);
    world.pass(3);
    CHECK(count(world, "secrets", "bootstrap-token-aaaaaa") == 0);
    CHECK(count(world, "secrets", "bootstrap-token-bbbbbb") == 1);
}

TEST_CASE("a token's secret goes with its service account") {
    World world;
    world.make("", "serviceaccounts", R"({"metadata":{"name":"robot"}})");
    for (const std::string owner : {"robot", "nobody"})
        world.make("", "secrets",
                   R"({"metadata":{"name":"of-)" + owner +
                       R"(","annotations":{"kubernetes.io/service-account.name":")" + owner +
                       R"("}},"type":"kubernetes.io/service-account-token"})");
    world.settle();
    CHECK(world.get("", "secrets", "of-robot"));
    CHECK_FALSE(world.get("", "secrets", "of-nobody"));
    world.remove("", "serviceaccounts", "robot");
    world.settle();
    CHECK_FALSE(world.get("", "secrets", "of-robot"));
}

TEST_CASE("a pod's ephemeral volume is a claim that goes with it") {
    World world;
    world.make("", "pods",
               R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}],"volumes":[{"name":"v",)"
               R"("ephemeral":{"volumeClaimTemplate":{"metadata":{"labels":{"a":"b"}},"spec":{)"
               R"("accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}}}]}})");
    world.settle();
    auto claim = world.get("", "persistentvolumeclaims", "p-v");
    REQUIRE(claim);
    CHECK(text_in(*claim, "metadata.labels.a") == "b");
    CHECK(controller_of(*claim)->name == "p");
    world.remove("", "persistentvolumeclaims", "p-v");
    world.settle();
    CHECK(world.get("", "persistentvolumeclaims", "p-v"));
    world.remove("", "pods", "p");
    world.settle();
    CHECK_FALSE(world.get("", "persistentvolumeclaims", "p-v"));
}

TEST_CASE("endpoints that are kept by hand are mirrored in slices") {
    World world;
    world.make("", "services", R"({"metadata":{"name":"db"},"spec":{"ports":[{"port":80}]}})");
    world.make("", "endpoints",
               R"({"metadata":{"name":"db"},"subsets":[{"addresses":[{"ip":"10.1.1.1"}],)"
               R"("notReadyAddresses":[{"ip":"10.1.1.2"},{"ip":"fd00::1"}],"ports":[{"port":5432}]}]})");
    world.settle();
    auto slices = world.all("discovery.k8s.io", "endpointslices");
    REQUIRE(slices.size() == 2);
    for (const auto& slice : slices) {
        bool is_v6 = text_in(slice, "addressType") == "IPv6";
        const auto& endpoints = *list_in(slice, "endpoints");
        CHECK(endpoints.size() == (is_v6 ? 1 : 2));
        CHECK(flag_in(endpoints[0].get_object(), "conditions.ready") == !is_v6);
        CHECK(number_in((*list_in(slice, "ports"))[0].get_object(), "port") == 5432);
    }
    auto revision = world.state().revision();
    world.restart();
    CHECK(world.state().revision() == revision);
    world.change("", "endpoints", "db", R"({"subsets":[{"addresses":[{"ip":"10.1.1.9"}],"ports":[{"port":5432}]}]})");
    world.settle();
    slices = world.all("discovery.k8s.io", "endpointslices");
    REQUIRE(slices.size() == 1);
    world.change("", "endpoints", "db",
                 R"({"metadata":{"labels":{"endpointslice.kubernetes.io/skip-mirror":"true"}}})");
    world.settle();
    CHECK(world.all("discovery.k8s.io", "endpointslices").empty());
}

}  // namespace pila::cluster::controllers
