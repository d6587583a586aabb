// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "cluster/controllers/pods.h"
#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

TEST_CASE("a replica set makes its pods, says so, and makes another when one goes") {
    World world;
    world.make("apps", "replicasets", deployment_of("web", 3, "i:1"));
    world.settle();
    auto pods = world.all("", "pods");
    REQUIRE(pods.size() == 3);
    auto owner = controller_of(pods[0]);
    REQUIRE(owner);
    CHECK(owner->kind == "ReplicaSet");
    CHECK(owner->blocks);
    CHECK(text_in(pods[0], "metadata.name").starts_with("web-"));
    auto set = *world.get("apps", "replicasets", "web");
    CHECK(number_in(set, "status.replicas") == 3);
    CHECK(number_in(set, "status.fullyLabeledReplicas") == 3);
    CHECK(number_in(set, "status.readyReplicas") == 0);
    CHECK(number_in(set, "status.observedGeneration") == 1);
    CHECK(world.all("", "events").size() == 3);

    world.remove("", "pods", text_in(pods[0], "metadata.name"));
    world.settle();
    CHECK(world.all("", "pods").size() == 3);
    world.all_ready();
    set = *world.get("apps", "replicasets", "web");
    CHECK(number_in(set, "status.availableReplicas") == 3);
}

TEST_CASE("a pod that ended is replaced and stays") {
    World world;
    world.make("apps", "replicasets", deployment_of("web", 1, "i:1"));
    world.settle();
    auto name = std::string(text_in(world.all("", "pods")[0], "metadata.name"));
    world.change("", "pods", name, R"({"status":{"phase":"Failed"}})", "status");
    world.settle();
    CHECK(world.all("", "pods").size() == 2);
    CHECK(world.get("", "pods", name));
}

TEST_CASE("orphans are adopted, strangers are let go") {
    World world;
    world.make(
        "", "pods",
        R"({"metadata":{"name":"alone","labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}})");
    world.make("apps", "replicasets", deployment_of("web", 1, "i:1"));
    world.settle();
    CHECK(world.all("", "pods").size() == 1);
    auto pod = *world.get("", "pods", "alone");
    REQUIRE(controller_of(pod));
    CHECK(controller_of(pod)->name == "web");

    world.change("", "pods", "alone", R"({"metadata":{"labels":{"app":"other"}}})");
    world.settle();
    CHECK(world.all("", "pods").size() == 2);
    CHECK_FALSE(controller_of(*world.get("", "pods", "alone")));
    world.change("", "pods", "alone", R"({"metadata":{"labels":{"app":"web"}}})");
    world.settle();
    CHECK(world.all("", "pods").size() == 1);  // it came back, and one was too many
}

TEST_CASE("fewer replicas: those that serve nobody go first") {
    World world;
    world.make("apps", "replicasets", deployment_of("web", 4, "i:1"));
    world.settle();
    auto pods = world.all("", "pods");
    for (std::size_t index : {1U, 3U}) world.be_ready(text_in(pods[index], "metadata.name"));
    world.change("apps", "replicasets", "web", R"({"spec":{"replicas":2}})");
    world.settle();
    auto left = world.all("", "pods");
    REQUIRE(left.size() == 2);
    CHECK(text_in(left[0], "metadata.name") == text_in(pods[1], "metadata.name"));
    CHECK(text_in(left[1], "metadata.name") == text_in(pods[3], "metadata.name"));
}

TEST_CASE("available is what has been ready for long enough") {
    World world;
    world.make("apps", "replicasets", deployment_of("web", 1, "i:1", R"(,"minReadySeconds":30)"));
    world.settle();
    world.all_ready();
    auto set = *world.get("apps", "replicasets", "web");
    CHECK(number_in(set, "status.readyReplicas") == 1);
    CHECK(number_in(set, "status.availableReplicas") == 0);
    world.pass(31);
    CHECK(number_in(*world.get("apps", "replicasets", "web"), "status.availableReplicas") == 1);
}

TEST_CASE("a budget says how many pods may be disturbed") {
    World world;
    auto budget = [](const std::string& name, const std::string& limit) {
        return R"({"metadata":{"name":")" + name + R"("},"spec":{"selector":{"matchLabels":{"app":"web"}},)" + limit +
               "}}";
    };
    world.make("policy", "poddisruptionbudgets", budget("least", R"("minAvailable":3)"));
    world.make("policy", "poddisruptionbudgets", budget("share", R"("maxUnavailable":"50%")"));
    world.make("apps", "replicasets", deployment_of("web", 4, "i:1"));
    world.settle();
    auto allowed = [&](std::string_view name) {
        return number_in(*world.get("policy", "poddisruptionbudgets", name), "status.disruptionsAllowed");
    };
    CHECK(allowed("least") == 0);
    world.all_ready();
    CHECK(allowed("least") == 1);
    CHECK(allowed("share") == 2);
    const auto share = *world.get("policy", "poddisruptionbudgets", "share");
    CHECK(number_in(share, "status.expectedPods") == 4);
    CHECK(number_in(share, "status.desiredHealthy") == 2);
    CHECK(is_true(find_condition(*object_in(share, "status"), "DisruptionAllowed")));
}

TEST_CASE("the order in which pods go") {
    auto pod = [](const std::string& text) { return Pod(codec::read_json(text, {}).take().get_object()); };
    const std::string node = R"("spec":{"nodeName":"n"},)";
    auto ready = [](const std::string& since) {
        return R"("conditions":[{"type":"Ready","status":"True","lastTransitionTime":")" + since + R"("}])";
    };
    const std::int64_t now = 1'800'000'000LL * 1'000'000;
    std::vector<Pod> order;
    order.push_back(pod(R"({"status":{"phase":"Running"}})"));
    order.push_back(pod("{" + node + R"("status":{"phase":"Pending"}})"));
    order.push_back(pod("{" + node + R"("status":{"phase":"Unknown"}})"));
    order.push_back(pod("{" + node + R"("status":{"phase":"Running"}})"));
    order.push_back(pod("{" + node +
                        R"("metadata":{"annotations":{"controller.kubernetes.io/pod-deletion-cost":"-5"}},)" +
                        R"("status":{"phase":"Running",)" + ready("2020-01-01T00:00:00Z") + "}}"));
    order.push_back(pod("{" + node + R"("status":{"phase":"Running",)" + ready("2027-01-15T07:59:00Z") + "}}"));
    order.push_back(pod("{" + node + R"("status":{"phase":"Running","containerStatuses":[{"restartCount":7}],)" +
                        ready("2020-01-01T00:00:00Z") + "}}"));
    order.push_back(pod("{" + node + R"("status":{"phase":"Running",)" + ready("2020-01-01T00:00:00Z") + "}}"));
    for (std::size_t left = 0; left < order.size(); ++left)
        for (std::size_t right = left + 1; right < order.size(); ++right) {
            CAPTURE(left);
            CAPTURE(right);
            CHECK(goes_first(order[left], 1, order[right], 1, now));
            CHECK_FALSE(goes_first(order[right], 1, order[left], 1, now));
        }
    CHECK(goes_first(order[7], 3, order[6], 1, now));  // its node has more of them
}

TEST_CASE("an event that is said again is counted, many that are alike become one, and an hour later they are gone") {
    World world;
    world.make("apps", "replicasets", deployment_of("web", 30, "i:1"));
    world.settle();
    auto events = world.all("", "events");
    CHECK(events.size() == 11);
    std::int64_t most = 0;
    for (const auto& event : events) {
        most = std::max(most, number_in(event, "count"));
        CHECK(text_in(event, "reason") == "SuccessfulCreate");
        CHECK(text_in(event, "involvedObject.name") == "web");
        CHECK(text_in(event, "source.component") == "replicaset-controller");
    }
    CHECK(most == 20);
    world.pass(3500);
    auto left = world.all("", "events");
    CHECK(std::count_if(left.begin(), left.end(),
                        [](const auto& event) { return text_in(event, "reason") != "FailedScheduling"; }) == 11);
    world.pass(200);
    CHECK(world.all("", "events").empty());
}

TEST_CASE("pods say why they wait where there is no node") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 1, "i:1"));
    world.settle();
    auto scheduled = [&] {
        auto pods = world.all("", "pods");
        REQUIRE(pods.size() == 1);
        const auto* condition = find_condition(*object_in(pods[0], "status"), "PodScheduled");
        return condition ? std::string(text_in(*condition, "message")) : "";
    };
    CHECK(scheduled().empty());
    world.pass(3);
    CHECK(scheduled() == "0/0 nodes are available: no nodes available to schedule pods");
    int said = 0;
    for (const auto& event : world.all("", "events")) said += text_in(event, "reason") == "FailedScheduling";
    CHECK(said == 1);
}

TEST_CASE("where there is a node, somebody else says so") {
    World world;
    world.make("", "nodes", R"({"metadata":{"name":"one"}})");
    world.make("apps", "deployments", deployment_of("web", 1, "i:1"));
    world.settle();
    world.pass(3);
    for (const auto& event : world.all("", "events")) CHECK(text_in(event, "reason") != "FailedScheduling");
}

}  // namespace pila::cluster::controllers
