// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/indexes.h"
#include "cluster/controllers/testing_internal.h"

namespace pila::cluster::controllers {

namespace {

std::string job(const std::string& spec) {
    return R"({"metadata":{"name":"work"},"spec":{)" + spec + (spec.empty() ? "" : ",") +
           R"("template":{"spec":{"restartPolicy":"Never","containers":[{"name":"c","image":"i"}]}}}})";
}

void end(World& world, std::string_view phase, std::size_t most = 1000) {
    for (const auto& pod : world.all("", "pods")) {
        auto now = text_in(pod, "status.phase");
        if (now == "Succeeded" || now == "Failed" || most-- == 0) continue;
        world.change("", "pods", text_in(pod, "metadata.name"), R"({"status":{"phase":")" + std::string(phase) + "\"}}",
                     "status");
        if (most == 0) break;
    }
    world.settle();
}

bool says(const World& world, std::string_view condition, std::string_view reason = "") {
    auto object = *world.get("batch", "jobs", "work");
    const auto* found = find_condition(*object_in(object, "status"), condition);
    return is_true(found) && (reason.empty() || text_in(*found, "reason") == reason);
}

std::int64_t number(const World& world, std::string_view member) {
    return number_in(*world.get("batch", "jobs", "work"), "status." + std::string(member));
}

std::size_t running(const World& world) {
    std::size_t count = 0;
    for (const auto& pod : world.all("", "pods")) count += text_in(pod, "status.phase") == "Pending" && !is_going(pod);
    return count;
}

}  // namespace

TEST_CASE("indexes") {
    CHECK(write_indexes({}) == "");
    CHECK(write_indexes({0, 1, 3, 5, 6, 7}) == "0,1,3,5-7");
    CHECK(read_indexes("1,3-5,x,9-7", 5) == std::set<std::int64_t>{1, 3, 4});
}

TEST_CASE("a job is done when its pod is") {
    World world;
    world.make("batch", "jobs", job(""));
    world.settle();
    auto pods = world.all("", "pods");
    REQUIRE(pods.size() == 1);
    CHECK(has_finalizer(pods[0], "batch.kubernetes.io/job-tracking"));
    CHECK(number(world, "active") == 1);
    CHECK(!text_in(*world.get("batch", "jobs", "work"), "status.startTime").empty());
    end(world, "Succeeded");
    CHECK(says(world, "Complete"));
    CHECK(number(world, "succeeded") == 1);
    CHECK(number(world, "active") == 0);
    CHECK(!text_in(*world.get("batch", "jobs", "work"), "status.completionTime").empty());
    pods = world.all("", "pods");
    REQUIRE(pods.size() == 1);
    CHECK_FALSE(has_finalizer(pods[0], "batch.kubernetes.io/job-tracking"));
}

TEST_CASE("so many at once, so many in all") {
    World world;
    world.make("batch", "jobs", job(R"("completions":5,"parallelism":2)"));
    world.settle();
    CHECK(running(world) == 2);
    for (int done = 1; done <= 5; ++done) {
        end(world, "Succeeded", 1);
        CHECK(number(world, "succeeded") == done);
        CHECK(running(world) == static_cast<std::size_t>(std::min(2, 5 - done)));
    }
    CHECK(says(world, "Complete"));
    CHECK(world.all("", "pods").size() == 5);
}

TEST_CASE("failures hold back the next pod, and too many end the job") {
    World world;
    world.make("batch", "jobs", job(R"("backoffLimit":2)"));
    world.settle();
    end(world, "Failed");
    CHECK(number(world, "failed") == 1);
    CHECK(running(world) == 0);
    world.pass(11);
    CHECK(running(world) == 1);
    end(world, "Failed");
    world.pass(11);
    CHECK(running(world) == 0);  // now it is twenty seconds
    world.pass(10);
    CHECK(running(world) == 1);
    end(world, "Failed");
    CHECK(says(world, "Failed", "BackoffLimitExceeded"));
    CHECK(number(world, "failed") == 3);
    world.pass(1000);
    CHECK(running(world) == 0);
}

TEST_CASE("a deadline ends a job, and its pods go") {
    World world;
    world.make("batch", "jobs", job(R"("activeDeadlineSeconds":100,"parallelism":3)"));
    world.settle();
    CHECK(running(world) == 3);
    world.pass(101);
    CHECK(says(world, "Failed", "DeadlineExceeded"));
    CHECK(world.all("", "pods").empty());
    CHECK(number(world, "failed") == 3);
}

TEST_CASE("a suspended job has no pods until it goes on") {
    World world;
    world.make("batch", "jobs", job(R"("suspend":true)"));
    world.settle();
    CHECK(says(world, "Suspended"));
    CHECK(world.all("", "pods").empty());
    world.change("batch", "jobs", "work", R"({"spec":{"suspend":false}})");
    world.settle();
    CHECK(running(world) == 1);
    CHECK_FALSE(says(world, "Suspended"));
    world.change("batch", "jobs", "work", R"({"spec":{"suspend":true}})");
    world.settle();
    CHECK(world.all("", "pods").empty());
    CHECK(number(world, "failed") == 0);
}

TEST_CASE("an indexed job does every index once") {
    World world;
    world.make("batch", "jobs", job(R"("completions":3,"parallelism":3,"completionMode":"Indexed")"));
    world.settle();
    std::set<std::string> indexes;
    for (const auto& pod : world.all("", "pods")) {
        auto index = std::string(annotation_of(pod, "batch.kubernetes.io/job-completion-index"));
        indexes.insert(index);
        CHECK(text_in(pod, "spec.hostname") == "work-" + index);
        CHECK(text_in(pod, "metadata.name").starts_with("work-" + index + "-"));
    }
    CHECK(indexes == std::set<std::string>{"0", "1", "2"});
    auto first = std::string(text_in(world.all("", "pods")[0], "metadata.name"));
    world.change("", "pods", first, R"({"status":{"phase":"Failed"}})", "status");
    world.settle();
    end(world, "Succeeded");
    CHECK(text_in(*world.get("batch", "jobs", "work"), "status.completedIndexes") == "1,2");
    world.pass(11);
    end(world, "Succeeded");
    CHECK(text_in(*world.get("batch", "jobs", "work"), "status.completedIndexes") == "0-2");
    CHECK(says(world, "Complete"));
}

TEST_CASE("a job that lived long enough goes with its pods, and a deleted one frees them") {
    World world;
    world.make("batch", "jobs", job(R"("ttlSecondsAfterFinished":60)"));
    world.settle();
    end(world, "Succeeded");
    world.pass(30);
    CHECK(world.get("batch", "jobs", "work"));
    world.pass(40);
    CHECK_FALSE(world.get("batch", "jobs", "work"));
    CHECK(world.all("", "pods").empty());

    world.make("batch", "jobs", job(""));
    world.settle();
    world.remove("batch", "jobs", "work");
    world.settle();
    CHECK(world.all("", "pods").empty());
}

}  // namespace pila::cluster::controllers
