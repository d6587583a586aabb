// SPDX-License-Identifier: Apache-2.0
#include "cluster/audit/policy.h"

#include <doctest/doctest.h>

using namespace pila::cluster::audit;

namespace {

constexpr std::string_view usual = R"(
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: ["system:kube-proxy"], verbs: [watch], resources: [{group: "", resources: [endpoints]}]}
- {level: None, userGroups: ["system:authenticated"], nonResourceURLs: ["/api*", "/version"]}
- {level: Request, namespaces: [kube-system], resources: [{resources: [configmaps], resourceNames: [settings]}]}
- {level: Metadata, omitStages: [ResponseStarted], resources: [{resources: ["pods/log", "*/status"]}, {group: apps}]}
- {level: RequestResponse, resources: [{resources: ["secrets/*"]}]}
)";

Attributes resource(std::string group, std::string name, std::string sub = "") {
    return {.user = "ann",
            .groups = {"system:authenticated"},
            .verb = "get",
            .is_resource = true,
            .group = std::move(group),
            .resource = std::move(name),
            .subresource = std::move(sub),
            .name_space = "default",
            .name = "",
            .path = ""};
}

}  // namespace

TEST_CASE("the first rule that matches decides") {
    auto policy = Policy::read(usual);
    REQUIRE(policy);
    auto level = [&](const Attributes& attributes) { return text_of(policy->judge(attributes).level); };
    auto proxy = resource("", "endpoints");
    proxy.user = "system:kube-proxy";
    proxy.verb = "watch";
    CHECK(level(proxy) == "None");
    Attributes path{.user = "ann", .groups = {"system:authenticated"}, .verb = "get", .path = "/apis"};
    CHECK(level(path) == "None");
    auto settings = resource("", "configmaps");
    settings.name_space = "kube-system";
    CHECK(level(settings) == "None");
    settings.name = "settings";
    CHECK(level(settings) == "Request");
    CHECK(level(resource("", "pods")) == "None");
    CHECK(level(resource("", "pods", "log")) == "Metadata");
    CHECK(level(resource("", "nodes", "status")) == "Metadata");
    CHECK(level(resource("apps", "deployments")) == "Metadata");
    CHECK(level(resource("", "secrets", "x")) == "RequestResponse");
    auto decision = policy->judge(resource("apps", "deployments"));
    CHECK(decision.omitted == std::set<Stage>{Stage::RequestReceived, Stage::ResponseStarted});
}

TEST_CASE("managed fields are left out by all rules but those that say otherwise") {
    auto policy = Policy::read(R"(
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- {level: Request, omitManagedFields: false, resources: [{resources: [pods]}]}
- {level: Request}
)");
    REQUIRE(policy);
    CHECK_FALSE(policy->judge(resource("", "pods")).omits_managed_fields);
    CHECK(policy->judge(resource("", "secrets")).omits_managed_fields);
}

TEST_CASE("a policy that means nothing is refused") {
    auto why = [](std::string_view rules) {
        auto read = Policy::read("apiVersion: audit.k8s.io/v1\nkind: Policy\n" + std::string(rules));
        return read ? "" : read.error().message();
    };
    CHECK(why("rules: []") == "a policy without rules would log nothing");
    CHECK(why("rules: [{level: Loud}]") == "rules[0].level: there is no level Loud");
    CHECK(why("omitManagedFields: 1\nrules: [{level: None}]") == "omitManagedFields: must be true or false");
    CHECK(why("rules: [{level: None, omitManagedFields: maybe}]") ==
          "rules[0].omitManagedFields: must be true or false");
    CHECK(why("rules: [{level: None, omitStages: [Later]}]") == "rules[0].omitStages: there is no stage Later");
    CHECK(why("rules: [{level: None, nonResourceURLs: [/x], namespaces: [a]}]") ==
          "rules[0].nonResourceURLs: a rule is about resources or about other paths");
    CHECK_FALSE(Policy::read("kind: Pod"));
}
