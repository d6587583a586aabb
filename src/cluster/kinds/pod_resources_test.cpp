// SPDX-License-Identifier: Apache-2.0
// Quality of service, and what pods/resize refuses.
#include "cluster/kinds/pods.h"
#include "cluster/kinds/test_support.h"

using namespace pila::cluster::kinds;

namespace {

json::object pod(std::string_view containers, std::string_view more = "") {
    return json::parse(R"({"metadata":{"name":"p"},"spec":{"containers":[)" + std::string(containers) + "]" +
                       std::string(more) + "}}")
        .as_object();
}

std::string one(std::string_view requests, std::string_view limits, std::string_view more = "") {
    return R"({"name":"c","image":"i","resources":{"requests":)" + std::string(requests) + R"(,"limits":)" +
           std::string(limits) + "}" + std::string(more) + "}";
}

// "FIELD: MESSAGE", the first of them; "": nothing.
std::string refusal(const json::object& now, const json::object& old) {
    auto causes = validate_resize(now, old);
    return causes.empty() ? "" : causes[0].field + ": " + causes[0].message;
}

const std::string small = one(R"({"cpu":"1","memory":"1Gi"})", R"({"cpu":"2","memory":"2Gi"})");

}  // namespace

TEST_CASE("quality of service") {
    CHECK(quality_of_service(pod(R"({"name":"c"})")) == "BestEffort");
    CHECK(quality_of_service(pod(one("{}", R"({"cpu":"0"})"))) == "BestEffort");
    CHECK(quality_of_service(pod(one("{}", R"({"ephemeral-storage":"1Gi"})"))) == "BestEffort");
    const auto full = one(R"({"cpu":"500m","memory":"1Gi"})", R"({"cpu":"0.5","memory":"1024Mi"})");
    CHECK(quality_of_service(pod(full)) == "Guaranteed");
    CHECK(quality_of_service(pod(full + R"(,{"name":"d"})")) == "Burstable");
    CHECK(quality_of_service(pod(full, R"(,"initContainers":[{"name":"d"}])")) == "Burstable");
    CHECK(quality_of_service(pod(one(R"({"memory":"1Gi"})", R"({"memory":"1Gi"})"))) == "Burstable");
    CHECK(quality_of_service(pod(small)) == "Burstable");
}

TEST_CASE("a resize gives containers more or less of processors and memory") {
    CHECK(refusal(pod(small), pod(small)).empty());
    CHECK(refusal(pod(one(R"({"cpu":"500m","memory":"3Gi"})", R"({"cpu":"1","memory":"4Gi"})")), pod(small)).empty());
    CHECK(refusal(pod(one(R"({"cpu":"1","memory":"512Mi"})", R"({"cpu":"2","memory":"2Gi"})")), pod(small)).empty());
}

TEST_CASE("what a resize may not do") {
    const auto less = R"({"cpu":"2","memory":"1536Mi"})";
    CHECK(refusal(pod(one(R"({"cpu":"1","memory":"1Gi"})", less)), pod(small)) ==
          "spec.containers[0].resources.limits[memory]: Forbidden: memory limits cannot be decreased unless "
          "resizePolicy is RestartContainer");
    const auto policy = R"(,"resizePolicy":[{"resourceName":"memory","restartPolicy":"RestartContainer"}])";
    const auto with_policy = one(R"({"cpu":"1","memory":"1Gi"})", R"({"cpu":"2","memory":"2Gi"})", policy);
    CHECK(refusal(pod(one(R"({"cpu":"1","memory":"1Gi"})", less, policy)), pod(with_policy)).empty());
    CHECK(refusal(pod(with_policy), pod(small)) == "spec: Forbidden: only cpu and memory resources are mutable");
    CHECK(refusal(pod(one(R"({"cpu":"1","memory":"1Gi"})", R"({"cpu":"2"})")), pod(small)) ==
          "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed");
    CHECK(refusal(pod(one(R"({"cpu":"1"})", R"({"cpu":"2","memory":"2Gi"})")), pod(small)) ==
          "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed");
    CHECK(refusal(pod(one(R"({"cpu":"2","memory":"2Gi"})", R"({"cpu":"2","memory":"2Gi"})")), pod(small)) ==
          "spec: Invalid value: \"Guaranteed\": Pod QOS Class may not change as a result of resizing");
    const auto storage = R"({"cpu":"1","memory":"1Gi","ephemeral-storage":"1Gi"})";
    CHECK(refusal(pod(one(storage, R"({"cpu":"2","memory":"2Gi"})")), pod(small)) ==
          "spec: Forbidden: only cpu and memory resources are mutable");
    CHECK(refusal(pod(small + R"(,{"name":"d"})"), pod(small)) ==
          "spec.containers: Forbidden: containers may not be added or removed on resize");
    CHECK(refusal(pod(R"({"name":"other","image":"i"})"), pod(small)) ==
          "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize");
}

TEST_CASE("only init containers that stay are resized") {
    auto with = [](std::string_view restart, std::string_view cpu) {
        return pod(small, R"(,"initContainers":[{"name":"i")" + std::string(restart) +
                              R"(,"resources":{"requests":{"cpu":")" + std::string(cpu) + R"("}}}])");
    };
    CHECK(refusal(with("", "2"), with("", "1")) == "spec: Forbidden: only cpu and memory resources are mutable");
    CHECK(refusal(with(R"(,"restartPolicy":"Always")", "2"), with(R"(,"restartPolicy":"Always")", "1")).empty());
}
