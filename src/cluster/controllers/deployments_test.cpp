// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/rollout.h"
#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

namespace {

std::vector<json::object> sets_by_revision(const World& world) {
    auto sets = world.all("apps", "replicasets");
    std::sort(sets.begin(), sets.end(), [](const json::object& left, const json::object& right) {
        return annotation_of(left, deployment::revision) < annotation_of(right, deployment::revision);
    });
    return sets;
}

std::string progress_of(const World& world, std::string_view name) {
    auto object = *world.get("apps", "deployments", name);
    const auto* condition = find_condition(*object_in(object, "status"), "Progressing");
    return condition ? std::string(text_in(*condition, "reason")) : "";
}

std::int64_t of_status(const World& world, std::string_view member) {
    return number_in(*world.get("apps", "deployments", "web"), "status." + std::string(member));
}

const char* other_image = R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i:2"}]}}}})";

}  // namespace

TEST_CASE("a deployment rolls out") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 4, "i:1"));
    world.settle();
    auto sets = sets_by_revision(world);
    REQUIRE(sets.size() == 1);
    CHECK(number_in(sets[0], "spec.replicas") == 4);
    auto hash = std::string(text_in(sets[0], "metadata.labels.pod-template-hash"));
    CHECK(text_in(sets[0], "metadata.name") == "web-" + hash);
    CHECK(text_in(sets[0], "spec.selector.matchLabels.pod-template-hash") == hash);
    CHECK(text_in(world.all("", "pods")[0], "metadata.labels.pod-template-hash") == hash);
    CHECK(annotation_of(*world.get("apps", "deployments", "web"), deployment::revision) == "1");
    CHECK(of_status(world, "unavailableReplicas") == 4);
    CHECK(progress_of(world, "web") == "ReplicaSetUpdated");

    world.all_ready();
    CHECK(of_status(world, "availableReplicas") == 4);
    CHECK(of_status(world, "unavailableReplicas") == 0);
    CHECK(progress_of(world, "web") == "NewReplicaSetAvailable");
    auto object = *world.get("apps", "deployments", "web");
    CHECK(is_true(find_condition(*object_in(object, "status"), "Available")));
    CHECK(number_in(object, "status.observedGeneration") == number_in(object, "metadata.generation"));
}

TEST_CASE("an update keeps within surge and unavailability, step by step") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 4, "i:1"));
    world.roll_out();
    world.change("apps", "deployments", "web", other_image);
    world.settle();
    auto sets = sets_by_revision(world);
    REQUIRE(sets.size() == 2);
    CHECK(number_in(sets[0], "spec.replicas") == 3);  // one may be unavailable
    CHECK(number_in(sets[1], "spec.replicas") == 2);  // and one too many
    for (int step = 0; step < 10; ++step) {
        std::int64_t wanted = 0, ready = 0;
        for (const auto& set : world.all("apps", "replicasets")) {
            wanted += number_in(set, "spec.replicas");
            ready += number_in(set, "status.readyReplicas");
        }
        CHECK(wanted <= 5);
        CHECK(ready >= 3);
        for (const auto& pod : world.all("", "pods"))
            if (text_in(pod, "status.phase") != "Running") {
                world.be_ready(text_in(pod, "metadata.name"));
                break;
            }
        world.settle();
    }
    sets = sets_by_revision(world);
    CHECK(number_in(sets[0], "spec.replicas") == 0);
    CHECK(number_in(sets[1], "spec.replicas") == 4);
    CHECK(of_status(world, "updatedReplicas") == 4);
    CHECK(progress_of(world, "web") == "NewReplicaSetAvailable");
}

TEST_CASE("what was before comes back under a new revision") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 2, "i:1"));
    world.roll_out();
    world.change("apps", "deployments", "web", other_image);
    world.roll_out();
    auto first = std::string(text_in(sets_by_revision(world)[0], "metadata.name"));
    world.change("apps", "deployments", "web",
                 R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i:1"}]}}}})");
    world.roll_out();
    auto set = *world.get("apps", "replicasets", first);
    CHECK(world.all("apps", "replicasets").size() == 2);
    CHECK(number_in(set, "spec.replicas") == 2);
    CHECK(annotation_of(set, deployment::revision) == "3");
    CHECK(annotation_of(set, deployment::revision_history) == "1");
    CHECK(annotation_of(*world.get("apps", "deployments", "web"), deployment::revision) == "3");
}

TEST_CASE("history has its limit") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 1, "i:0", R"(,"revisionHistoryLimit":2)"));
    world.roll_out();
    for (int image = 1; image <= 5; ++image) {
        world.change("apps", "deployments", "web",
                     R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i:)" + std::to_string(image) +
                         R"("}]}}}})");
        world.roll_out();
    }
    auto sets = sets_by_revision(world);
    REQUIRE(sets.size() == 3);
    CHECK(annotation_of(sets[0], deployment::revision) == "4");
    CHECK(annotation_of(sets[2], deployment::revision) == "6");
}

TEST_CASE("a paused deployment is scaled but does not roll") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 2, "i:1"));
    world.roll_out();
    world.change("apps", "deployments", "web", R"({"spec":{"paused":true,"replicas":3}})");
    world.change("apps", "deployments", "web", other_image);
    world.settle();
    REQUIRE(world.all("apps", "replicasets").size() == 1);
    CHECK(number_in(world.all("apps", "replicasets")[0], "spec.replicas") == 3);
    CHECK(progress_of(world, "web") == "DeploymentPaused");
    world.change("apps", "deployments", "web", R"({"spec":{"paused":false}})");
    world.roll_out();
    CHECK(world.all("apps", "replicasets").size() == 2);
    CHECK(progress_of(world, "web") == "NewReplicaSetAvailable");
}

TEST_CASE("scaling in the middle of a rollout keeps the shares") {
    World world;
    world.make("apps", "deployments",
               deployment_of("web", 10, "i:1", R"(,"strategy":{"rollingUpdate":{"maxSurge":3,"maxUnavailable":2}})"));
    world.roll_out();
    world.change("apps", "deployments", "web", other_image);
    world.settle();
    auto sets = sets_by_revision(world);
    CHECK(number_in(sets[0], "spec.replicas") == 8);
    CHECK(number_in(sets[1], "spec.replicas") == 5);
    world.change("apps", "deployments", "web", R"({"spec":{"replicas":15}})");
    world.settle();
    sets = sets_by_revision(world);
    // 18 of 13: the old 11 and the new 7.
    CHECK(number_in(sets[0], "spec.replicas") == 11);
    CHECK(number_in(sets[1], "spec.replicas") == 7);
}

TEST_CASE("recreate waits until the last old pod is gone") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 2, "i:1", R"(,"strategy":{"type":"Recreate"})"));
    world.roll_out();
    for (const auto& pod : world.all("", "pods"))
        world.change("", "pods", text_in(pod, "metadata.name"), R"({"metadata":{"finalizers":["test/hold"]}})");
    world.change("apps", "deployments", "web", other_image);
    world.settle();
    CHECK(world.all("apps", "replicasets").size() == 1);
    for (const auto& pod : world.all("", "pods"))
        world.change("", "pods", text_in(pod, "metadata.name"), R"({"metadata":{"finalizers":null}})");
    world.settle();
    auto sets = sets_by_revision(world);
    REQUIRE(sets.size() == 2);
    CHECK(number_in(sets[1], "spec.replicas") == 2);
    CHECK(world.all("", "pods").size() == 2);
}

TEST_CASE("no progress until the deadline is told, and progress afterwards, too") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 1, "i:1", R"(,"progressDeadlineSeconds":60)"));
    world.settle();
    world.pass(50);
    CHECK(progress_of(world, "web") == "ReplicaSetUpdated");
    world.pass(15);
    CHECK(progress_of(world, "web") == "ProgressDeadlineExceeded");
    world.all_ready();
    CHECK(progress_of(world, "web") == "NewReplicaSetAvailable");
}

TEST_CASE("nothing is written while nothing changes, not even after a restart") {
    World world;
    world.make("apps", "deployments", deployment_of("web", 2, "i:1"));
    world.make("", "services",
               R"({"metadata":{"name":"web"},"spec":{"selector":{"app":"web"},"ports":[{"port":80}]}})");
    world.roll_out();
    auto revision = world.state().revision();
    world.settle();
    world.restart();
    CHECK(world.state().revision() == revision);
}

TEST_CASE("a set of that name with another template: another name is found") {
    World world;
    auto made = world.make("apps", "deployments", deployment_of("web", 1, "i:1"));
    json::object pod_template = *object_in(made, "spec.template");
    auto hash = hash_of(pod_template, std::nullopt);
    world.make("apps", "replicasets",
               R"({"metadata":{"name":"web-)" + hash +
                   R"("},"spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},)" +
                   R"("template":{"metadata":{"labels":{"a":"b"}},)" +
                   R"("spec":{"containers":[{"name":"c","image":"x"}]}}}})");
    world.settle();
    world.pass(10);  // the failure is tried again
    CHECK(of_status(world, "collisionCount") == 1);
    CHECK(world.all("apps", "replicasets").size() == 2);
    CHECK(world.all("", "pods").size() == 1);
}

}  // namespace pila::cluster::controllers
