// SPDX-License-Identifier: Apache-2.0
#include "cluster/access/rules.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

using namespace pila::cluster::access;

namespace {

Action on(std::string verb, std::string group, std::string resource, std::string subresource = "",
          std::string name = "") {
    Action action;
    action.verb = std::move(verb);
    action.group = std::move(group);
    action.resource = std::move(resource);
    action.subresource = std::move(subresource);
    action.name = std::move(name);
    return action;
}

Action at(std::string verb, std::string path) {
    Action action;
    action.is_resource = false;
    action.verb = std::move(verb);
    action.path = std::move(path);
    return action;
}

}  // namespace

TEST_CASE("rules about resources") {
    Rule pods{.verbs = {"get", "list"}, .groups = {""}, .resources = {"pods", "pods/log"}};
    CHECK(pods.allows(on("get", "", "pods")));
    CHECK(pods.allows(on("get", "", "pods", "log", "web")));
    CHECK_FALSE(pods.allows(on("get", "", "pods", "exec")));
    CHECK_FALSE(pods.allows(on("delete", "", "pods")));
    CHECK_FALSE(pods.allows(on("get", "apps", "pods")));
    CHECK_FALSE(pods.allows(at("get", "pods")));

    Rule scales{.verbs = {"*"}, .groups = {"*"}, .resources = {"*/scale"}};
    CHECK(scales.allows(on("update", "apps", "deployments", "scale")));
    CHECK_FALSE(scales.allows(on("update", "apps", "deployments")));
    CHECK_FALSE(scales.allows(on("update", "apps", "deployments", "status")));

    Rule all{.verbs = {"*"}, .groups = {"*"}, .resources = {"*"}};
    CHECK(all.allows(on("approve", "certificates.k8s.io", "signers", "", "x")));
    CHECK(all.allows(on("create", "", "pods", "exec")));
    CHECK_FALSE(all.allows(at("get", "/metrics")));
    CHECK_FALSE(Rule{}.allows(on("", "", "")));
}

TEST_CASE("rules about single names do not cover lists") {
    Rule one{.verbs = {"get", "list"}, .groups = {""}, .resources = {"secrets"}, .names = {"own"}};
    CHECK(one.allows(on("get", "", "secrets", "", "own")));
    CHECK_FALSE(one.allows(on("get", "", "secrets", "", "other")));
    CHECK_FALSE(one.allows(on("list", "", "secrets")));
}

TEST_CASE("rules about paths") {
    Rule paths{.verbs = {"get"}, .urls = {"/healthz", "/api/*"}};
    CHECK(paths.allows(at("get", "/healthz")));
    CHECK_FALSE(paths.allows(at("get", "/healthz/etcd")));
    CHECK(paths.allows(at("get", "/api/v1")));
    CHECK_FALSE(paths.allows(at("get", "/api")));
    CHECK_FALSE(paths.allows(at("post", "/healthz")));
    CHECK(Rule{.verbs = {"*"}, .urls = {"*"}}.allows(at("get", "/")));
    CHECK_FALSE(paths.allows(on("get", "", "/healthz")));
}

TEST_CASE("what is missing of what somebody wants to grant") {
    std::vector<Rule> held = {{.verbs = {"get", "list"}, .groups = {""}, .resources = {"pods", "*/scale"}},
                              {.verbs = {"get"}, .groups = {""}, .resources = {"secrets"}, .names = {"own"}},
                              {.verbs = {"get"}, .urls = {"/api/*"}}};
    CHECK(missing_rules(held, {{.verbs = {"list"}, .groups = {""}, .resources = {"pods"}}}).empty());
    CHECK(missing_rules(held, {{.verbs = {"get"}, .groups = {""}, .resources = {"pods"}, .names = {"x"}}}).empty());
    CHECK(missing_rules(held, {{.verbs = {"get"}, .groups = {""}, .resources = {"things/scale"}}}).empty());
    CHECK(missing_rules(held, {{.verbs = {"get"}, .urls = {"/api/v1"}}}).empty());
    CHECK(missing_rules(held, {{.verbs = {"get"}, .urls = {"/api/*"}}}).empty());
    CHECK(missing_rules(held, {{.verbs = {"get"}, .urls = {"/*"}}}).size() == 1);
    CHECK(missing_rules(held, {{.verbs = {"get"}, .groups = {""}, .resources = {"secrets"}}}).size() == 1);
    CHECK(missing_rules(held, {{.verbs = {"*"}, .groups = {""}, .resources = {"pods"}}}).size() == 1);

    auto missing = missing_rules(
        held, {{.verbs = {"get", "delete", "list", "patch"}, .groups = {"", "apps"}, .resources = {"pods"}},
               {.verbs = {"get"}, .groups = {""}, .resources = {"secrets"}, .names = {"a"}}});
    REQUIRE(missing.size() == 3);
    CHECK(missing[0].text() == R"({APIGroups:[""], Resources:["pods"], Verbs:["delete" "patch"]})");
    CHECK(missing[1].text() == R"({APIGroups:["apps"], Resources:["pods"], Verbs:["get" "delete" "list" "patch"]})");
    CHECK(missing[2].text() == R"({APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["get"]})");
}

TEST_CASE("rules as objects, and what is none") {
    auto role = boost::json::parse(R"({"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]},7,
                                               {"verbs":"get"},{"verbs":["get"],"nonResourceURLs":["/x"]}]})");
    auto rules = read_rules(role.get_object());
    REQUIRE(rules.size() == 3);
    CHECK(rules[0] == Rule{.verbs = {"get"}, .groups = {""}, .resources = {"pods"}});
    CHECK(rules[1] == Rule{});
    CHECK(boost::json::serialize(write_rules({rules[0], rules[2]})) ==
          R"([{"verbs":["get"],"apiGroups":[""],"resources":["pods"]},{"verbs":["get"],"nonResourceURLs":["/x"]}])");
    CHECK(read_rules({{"rules", "no"}}).empty());
}
