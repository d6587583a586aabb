// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/stateful_look.h"
#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

namespace {

std::string stateful(int replicas, std::string_view more = "", std::string_view image = "i:1") {
    return deployment_of("db", replicas, image, R"(,"serviceName":"db")" + std::string(more));
}

std::string image(std::string_view name) {
    return R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":")" + std::string(name) + R"("}]}}}})";
}

std::set<std::string> names(const World& world, std::string_view plural) {
    std::set<std::string> found;
    for (const auto& one : world.all("", plural)) found.emplace(text_in(one, "metadata.name"));
    return found;
}

std::string image_of(const World& world, std::string_view pod) {
    auto object = *world.get("", "pods", pod);
    return std::string(text_in((*list_in(object, "spec.containers"))[0].get_object(), "image"));
}

json::object status(const World& world) { return *object_in(*world.get("apps", "statefulsets", "db"), "status"); }

const char* with_claims =
    R"(,"volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],)"
    R"("resources":{"requests":{"storage":"1Gi"}}}}])";

}  // namespace

TEST_CASE("pods of a stateful set come one by one, each when the one before is ready") {
    World world;
    world.make("apps", "statefulsets", stateful(3));
    world.settle();
    CHECK(names(world, "pods") == std::set<std::string>{"db-0"});
    auto pod = *world.get("", "pods", "db-0");
    const auto& labels = *object_in(pod, "metadata.labels");
    CHECK(text_in(pod, "spec.hostname") == "db-0");
    CHECK(text_in(pod, "spec.subdomain") == "db");
    CHECK(labels.at("statefulset.kubernetes.io/pod-name") == "db-0");
    CHECK(labels.at("apps.kubernetes.io/pod-index") == "0");
    CHECK(text_in(labels, "controller-revision-hash") == text_in(status(world), "updateRevision"));
    world.all_ready();
    CHECK(names(world, "pods").size() == 2);
    world.roll_out();
    CHECK(names(world, "pods") == std::set<std::string>{"db-0", "db-1", "db-2"});
    auto now = status(world);
    for (auto member : {"replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas"})
        CHECK(number_in(now, member) == 3);
    CHECK(text_in(now, "currentRevision") == text_in(now, "updateRevision"));
    CHECK(number_in(now, "observedGeneration") == 1);
    CHECK(now.contains("collisionCount"));
    auto revision = world.state().revision();
    world.restart();
    CHECK(world.state().revision() == revision);
}

TEST_CASE("a pod that is gone or has ended comes again under its name, before those behind it") {
    World world;
    world.make("apps", "statefulsets", stateful(3));
    world.roll_out();
    auto before = std::string(text_in(*world.get("", "pods", "db-1"), "metadata.uid"));
    world.remove("", "pods", "db-1");
    world.settle();
    auto again = *world.get("", "pods", "db-1");
    CHECK(text_in(again, "metadata.uid") != before);
    world.change("apps", "statefulsets", "db", R"({"spec":{"replicas":5}})");
    world.settle();
    CHECK(names(world, "pods").size() == 3);  // db-1 is not ready yet
    world.roll_out();
    CHECK(names(world, "pods").size() == 5);
    world.change("", "pods", "db-0", R"({"status":{"phase":"Failed"}})", "status");
    world.settle();
    CHECK(text_in(*world.get("", "pods", "db-0"), "status.phase") == "Pending");
}

TEST_CASE("a stateful set shrinks from its end, and waits for a pod that ails") {
    World world;
    world.make("apps", "statefulsets", stateful(4));
    world.roll_out();
    for (auto pod : {"db-3", "db-2"}) world.change("", "pods", pod, R"({"metadata":{"finalizers":["test/hold"]}})");
    world.change("apps", "statefulsets", "db", R"({"spec":{"replicas":1}})");
    world.settle();
    CHECK(is_going(*world.get("", "pods", "db-3")));
    CHECK_FALSE(is_going(*world.get("", "pods", "db-2")));
    world.change("", "pods", "db-3", R"({"metadata":{"finalizers":null}})");
    world.settle();
    CHECK_FALSE(world.get("", "pods", "db-3"));
    CHECK(is_going(*world.get("", "pods", "db-2")));
    CHECK(world.get("", "pods", "db-1"));
    world.change("", "pods", "db-2", R"({"metadata":{"finalizers":null}})");
    world.settle();
    CHECK(names(world, "pods") == std::set<std::string>{"db-0"});
}

TEST_CASE("parallel pods come and go together, numbered from where one wishes") {
    World world;
    world.make("apps", "statefulsets", stateful(3, R"(,"podManagementPolicy":"Parallel","ordinals":{"start":5})"));
    world.settle();
    CHECK(names(world, "pods") == std::set<std::string>{"db-5", "db-6", "db-7"});
    world.change("apps", "statefulsets", "db", R"({"spec":{"replicas":0}})");
    world.settle();
    CHECK(names(world, "pods").empty());
    CHECK(number_in(status(world), "replicas") == 0);
}

TEST_CASE("an update goes from the last pod to the first, and stops at the partition") {
    World world;
    world.make("apps", "statefulsets", stateful(3, R"(,"updateStrategy":{"rollingUpdate":{"partition":1}})"));
    world.roll_out();
    auto first = std::string(text_in(status(world), "currentRevision"));
    world.change("apps", "statefulsets", "db", image("i:2"));
    world.settle();
    CHECK(image_of(world, "db-2") == "i:2");
    CHECK(image_of(world, "db-1") == "i:1");  // db-2 is not ready
    world.roll_out();
    CHECK(image_of(world, "db-1") == "i:2");
    CHECK(image_of(world, "db-0") == "i:1");
    auto now = status(world);
    CHECK(number_in(now, "currentReplicas") == 1);
    CHECK(number_in(now, "updatedReplicas") == 2);
    CHECK(text_in(now, "currentRevision") == first);
    CHECK(text_in(now, "updateRevision") != first);
    world.remove("", "pods", "db-0");  // what the update has not reached comes back as it was
    world.roll_out();
    CHECK(image_of(world, "db-0") == "i:1");
    world.change("apps", "statefulsets", "db", R"({"spec":{"updateStrategy":{"rollingUpdate":{"partition":0}}}})");
    world.roll_out();
    CHECK(image_of(world, "db-0") == "i:2");
    CHECK(text_in(status(world), "currentRevision") == text_in(status(world), "updateRevision"));
}

TEST_CASE("with maxUnavailable several pods are updated at once") {
    World world;
    world.make("apps", "statefulsets", stateful(4, R"(,"updateStrategy":{"rollingUpdate":{"maxUnavailable":2}})"));
    world.roll_out();
    for (const auto& pod : names(world, "pods"))
        world.change("", "pods", pod, R"({"metadata":{"finalizers":["test/hold"]}})");
    world.change("apps", "statefulsets", "db", image("i:2"));
    world.settle();
    std::vector<bool> going;
    for (auto pod : {"db-0", "db-1", "db-2", "db-3"}) going.push_back(is_going(*world.get("", "pods", pod)));
    CHECK(going == std::vector<bool>{false, false, true, true});
}

TEST_CASE("OnDelete: pods are of the new template once somebody deleted them") {
    World world;
    world.make("apps", "statefulsets", stateful(2, R"(,"updateStrategy":{"type":"OnDelete"})"));
    world.roll_out();
    world.change("apps", "statefulsets", "db", image("i:2"));
    world.roll_out();
    CHECK(image_of(world, "db-1") == "i:1");
    world.remove("", "pods", "db-1");
    world.roll_out();
    CHECK(image_of(world, "db-1") == "i:2");
    CHECK(image_of(world, "db-0") == "i:1");
}

TEST_CASE("revisions: kept up to a limit, and what comes back is the newest again") {
    World world;
    world.make("apps", "statefulsets", stateful(1, R"(,"revisionHistoryLimit":2)", "i:0"));
    world.roll_out();
    for (int number = 1; number <= 4; ++number) {
        world.change("apps", "statefulsets", "db", image("i:" + std::to_string(number)));
        world.roll_out();
    }
    auto revisions = world.all("apps", "controllerrevisions");
    CHECK(revisions.size() == 3);
    world.change("apps", "statefulsets", "db", image("i:3"));
    world.roll_out();
    revisions = world.all("apps", "controllerrevisions");
    CHECK(revisions.size() == 3);
    std::set<std::int64_t> numbers;
    for (const auto& one : revisions) {
        numbers.insert(number_in(one, "revision"));
        if (text_in(one, "metadata.name") != text_in(status(world), "updateRevision")) continue;
        CHECK(number_in(one, "revision") == 6);
        CHECK(text_in(one, "data.spec.template.$patch") == "replace");
    }
    CHECK(numbers == std::set<std::int64_t>{3, 5, 6});
}

TEST_CASE("pods are available after minReadySeconds, and only then comes the next") {
    World world;
    world.make("apps", "statefulsets", stateful(2, R"(,"minReadySeconds":30)"));
    world.settle();
    world.all_ready();
    CHECK(names(world, "pods").size() == 1);
    CHECK(number_in(status(world), "readyReplicas") == 1);
    CHECK(number_in(status(world), "availableReplicas") == 0);
    world.pass(32);
    CHECK(number_in(status(world), "availableReplicas") == 1);
    CHECK(names(world, "pods").size() == 2);
}

TEST_CASE("claims are made for each pod, and stay") {
    World world;
    world.make("apps", "statefulsets", stateful(2, with_claims));
    world.roll_out();
    CHECK(names(world, "persistentvolumeclaims") == std::set<std::string>{"data-db-0", "data-db-1"});
    auto claim = *world.get("", "persistentvolumeclaims", "data-db-1");
    CHECK(text_in(claim, "metadata.labels.app") == "db");
    auto pod = *world.get("", "pods", "db-1");
    bool has = false;
    for (const auto& volume : *list_in(pod, "spec.volumes"))
        has = has || text_in(volume.get_object(), "persistentVolumeClaim.claimName") == "data-db-1";
    CHECK(has);
    world.change("apps", "statefulsets", "db",
                 R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i:2",)"
                 R"("volumeMounts":[{"name":"data","mountPath":"/data"}]}]}}}})");
    world.roll_out();
    CHECK(image_of(world, "db-0") == "i:2");  // the template itself has no such volume
    world.change("apps", "statefulsets", "db", R"({"spec":{"replicas":1}})");
    world.settle();
    world.remove("apps", "statefulsets", "db");
    world.settle();
    CHECK(names(world, "pods").empty());
    CHECK(names(world, "persistentvolumeclaims").size() == 2);
}

TEST_CASE("claims go with their pods or with the set if that is wished") {
    World world;
    world.make("apps", "statefulsets",
               stateful(3, std::string(with_claims) + R"(,"persistentVolumeClaimRetentionPolicy":)" +
                               R"({"whenScaled":"Delete","whenDeleted":"Delete"})"));
    world.roll_out();
    world.change("apps", "statefulsets", "db", R"({"spec":{"replicas":2}})");
    world.settle();
    CHECK(names(world, "persistentvolumeclaims") == std::set<std::string>{"data-db-0", "data-db-1"});
    world.change("apps", "statefulsets", "db", R"({"spec":{"replicas":3}})");
    world.pass(2);
    world.roll_out();
    CHECK(names(world, "persistentvolumeclaims").size() == 3);
    world.remove("apps", "statefulsets", "db");
    world.settle();
    CHECK(names(world, "persistentvolumeclaims").empty());
}

}  // namespace pila::cluster::controllers
