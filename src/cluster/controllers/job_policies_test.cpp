// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/job_look.h"
#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

namespace {

std::string job(const std::string& spec) {
    return R"({"metadata":{"name":"work"},"spec":{)" + spec +
           R"(,"template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})";
}

// The pod of an index that is still under way; "": none.
std::string pod_of(const World& world, std::int64_t index) {
    for (const auto& pod : world.all("", "pods"))
        if (job_index_of(pod) == index && text_in(pod, "status.phase") == "Pending")
            return std::string(text_in(pod, "metadata.name"));
    return "";
}

void succeed(World& world, std::int64_t index) {
    world.change("", "pods", pod_of(world, index), R"({"status":{"phase":"Succeeded"}})", "status");
    world.settle();
}

void fail(World& world, const std::string& pod, int exit_code = 1, const std::string& conditions = "") {
    auto ended = codec::format_time(world.now() / 1'000'000);
    world.change(
        "", "pods", pod,
        R"({"status":{"phase":"Failed","containerStatuses":[{"name":"c","image":"i","imageID":"","ready":false,)"
        R"("restartCount":0,"state":{"terminated":{"exitCode":)" +
            std::to_string(exit_code) + R"(,"finishedAt":")" + ended + "\"}}}]" + conditions + "}}",
        "status");
    world.settle();
}

std::string only_pod(const World& world) {
    for (const auto& pod : world.all("", "pods"))
        if (text_in(pod, "status.phase") == "Pending") return std::string(text_in(pod, "metadata.name"));
    return "";
}

json::object status(const World& world) { return *object_in(*world.get("batch", "jobs", "work"), "status"); }

std::string reason(const World& world, std::string_view type) {
    auto now = status(world);
    const auto* found = find_condition(now, type);
    return is_true(found) ? std::string(text_in(*found, "reason")) : "";
}

const char* by_index = R"("completions":3,"parallelism":3,"completionMode":"Indexed","backoffLimitPerIndex":1)";
const char* policy = R"(,"podFailurePolicy":{"rules":[)"
                     R"({"action":"FailJob","onExitCodes":{"operator":"In","values":[42]}},)"
                     R"({"action":"Ignore","onPodConditions":[{"type":"DisruptionTarget","status":"True"}]}]})";

}  // namespace

TEST_CASE("an index fails by itself, and the others go on") {
    World world;
    world.make("batch", "jobs", job(by_index));
    world.settle();
    fail(world, pod_of(world, 1));
    CHECK(pod_of(world, 1).empty());  // ten seconds first
    CHECK(reason(world, "FailureTarget").empty());
    world.pass(11);
    auto again = pod_of(world, 1);
    REQUIRE(!again.empty());
    auto pod = *world.get("", "pods", again);
    CHECK(annotation_of(pod, "batch.kubernetes.io/job-index-failure-count") == "1");
    CHECK(number_in(status(world), "failed") == 1);
    fail(world, again);
    world.pass(400);
    CHECK(pod_of(world, 1).empty());
    CHECK(text_in(status(world), "failedIndexes") == "1");
    CHECK(number_in(status(world), "failed") == 2);
    succeed(world, 0);
    CHECK(reason(world, "Failed").empty());
    succeed(world, 2);
    CHECK(reason(world, "Failed") == "FailedIndexes");
    CHECK(text_in(status(world), "completedIndexes") == "0,2");
    for (const auto& one : world.all("", "pods")) CHECK_FALSE(has_finalizer(one, job_finalizer));
}

TEST_CASE("too many failed indexes end the job") {
    World world;
    world.make("batch", "jobs",
               job(R"("completions":4,"parallelism":4,"completionMode":"Indexed","backoffLimitPerIndex":0,)"
                   R"("maxFailedIndexes":1)"));
    world.settle();
    fail(world, pod_of(world, 0));
    CHECK(reason(world, "Failed").empty());
    fail(world, pod_of(world, 3));
    CHECK(reason(world, "Failed") == "MaxFailedIndexesExceeded");
    CHECK(text_in(status(world), "failedIndexes") == "0,3");
    CHECK(only_pod(world).empty());
}

TEST_CASE("a rule on exit codes ends the job, a rule on conditions lets a failure pass") {
    World world;
    world.make("batch", "jobs", job(R"("backoffLimit":0)" + std::string(policy)));
    world.settle();
    fail(world, only_pod(world), 1, R"(,"conditions":[{"type":"DisruptionTarget","status":"True"}])");
    CHECK(reason(world, "Failed").empty());
    CHECK(number_in(status(world), "failed") == 0);
    world.pass(11);
    auto pod = only_pod(world);
    REQUIRE(!pod.empty());
    fail(world, pod, 42);
    CHECK(reason(world, "Failed") == "PodFailurePolicy");
    auto now = status(world);
    CHECK(text_in(*find_condition(now, "Failed"), "message") ==
          "Container c for pod default/" + pod + " failed with exit code 42 matching FailJob rule at index 0");
    CHECK(number_in(now, "failed") == 1);
}

TEST_CASE("FailIndex gives an index up at once") {
    World world;
    world.make("batch", "jobs",
               job(std::string(by_index) + R"(,"podFailurePolicy":{"rules":[{"action":"FailIndex",)"
                                           R"("onExitCodes":{"operator":"NotIn","values":[1]}}]})"));
    world.settle();
    fail(world, pod_of(world, 0), 1);
    fail(world, pod_of(world, 1), 7);
    CHECK(text_in(status(world), "failedIndexes") == "1");
    world.pass(11);
    CHECK(!pod_of(world, 0).empty());
    CHECK(pod_of(world, 1).empty());
}

TEST_CASE("a job has succeeded once the indexes that matter are done") {
    World world;
    world.make("batch", "jobs",
               job(R"("completions":5,"parallelism":5,"completionMode":"Indexed","successPolicy":{"rules":[)"
                   R"({"succeededIndexes":"0,4"},{"succeededIndexes":"1-3","succeededCount":2}]})"));
    world.settle();
    succeed(world, 4);
    succeed(world, 1);
    CHECK(reason(world, "Complete").empty());
    succeed(world, 3);
    CHECK(reason(world, "Complete") == "SuccessPolicy");
    CHECK(reason(world, "SuccessCriteriaMet") == "SuccessPolicy");
    auto now = status(world);
    CHECK(text_in(*find_condition(now, "Complete"), "message") == "Matched rules at index 1");
    CHECK(only_pod(world).empty());
    CHECK(number_in(now, "succeeded") == 3);
}

TEST_CASE("a pod that goes is replaced at once, or once it is gone") {
    for (bool waits : {false, true}) {
        World world;
        world.make(
            "batch", "jobs",
            job(std::string(R"("podReplacementPolicy":)") + (waits ? R"("Failed")" : R"("TerminatingOrFailed")")));
        world.settle();
        auto pod = only_pod(world);
        world.change("", "pods", pod,
                     R"({"metadata":{"finalizers":["batch.kubernetes.io/job-tracking","test/hold"]}})");
        world.remove("", "pods", pod);
        world.settle();
        CHECK(world.all("", "pods").size() == (waits ? 1 : 2));
        CHECK(number_in(status(world), "failed") == (waits ? 0 : 1));
        CHECK(number_in(status(world), "terminating") == 1);
    }
}

}  // namespace pila::cluster::controllers
