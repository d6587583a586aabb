// SPDX-License-Identifier: Apache-2.0
#include "cluster/access/policy.h"

#include <doctest/doctest.h>

#include <thread>

#include "cluster/access/testing_internal.h"

using namespace pila::cluster::access;

namespace {

const std::string group = "rbac.authorization.k8s.io/";
const std::string pod_rules = R"(,"rules":[{"verbs":["get"],"apiGroups":[""],"resources":["pods"]}])";

std::string binding_of(const std::string& kind, const std::string& role, const std::string& subjects) {
    return R"(,"roleRef":{"kind":")" + kind + R"(","name":")" + role + R"("},"subjects":[)" + subjects + "]";
}

Action get_pods(std::string name_space) {
    Action action;
    action.verb = "get";
    action.resource = "pods";
    action.name_space = std::move(name_space);
    return action;
}

const User ada{"ada", "", {"staff", "system:authenticated"}};

}  // namespace

TEST_CASE("bindings count where they stand") {
    TestState state;
    Policy policy(*state);
    CHECK_FALSE(policy.judge(ada, get_pods("a")).is_allowed);
    state.put(group + "clusterroles/reader", "1", pod_rules);
    state.put(group + "rolebindings/a/readers", "2",
              binding_of("ClusterRole", "reader", R"({"kind":"User","name":"ada"})"));
    auto verdict = policy.judge(ada, get_pods("a"));
    CHECK(verdict.is_allowed);
    CHECK(verdict.reason == R"(RBAC: allowed by RoleBinding "readers/a" of ClusterRole "reader" to User "ada")");
    CHECK_FALSE(policy.judge(ada, get_pods("b")).is_allowed);
    CHECK_FALSE(policy.judge(ada, get_pods("")).is_allowed);
    CHECK_FALSE(policy.judge({"eve", "", {"ada"}}, get_pods("a")).is_allowed);

    state.put(group + "clusterrolebindings/all", "3",
              binding_of("ClusterRole", "reader", R"({"kind":"Group","name":"staff"})"));
    CHECK(policy.judge(ada, get_pods("b")).is_allowed);
    CHECK(policy.judge({"staff", "", {}}, get_pods("b")).is_allowed == false);
    verdict = policy.judge(ada, get_pods(""));
    CHECK(verdict.reason == R"(RBAC: allowed by ClusterRoleBinding "all" of ClusterRole "reader" to Group "staff")");
}

TEST_CASE("a change counts from the moment on that its writer is told") {
    TestState state;
    Policy policy(*state);
    state.put(group + "roles/a/reader", "1", pod_rules);
    const auto key = group + "rolebindings/a/b";
    for (int round = 0; round < 200; ++round) {
        state.put(key, "2", binding_of("Role", "reader", R"({"kind":"User","name":"ada"})"));
        REQUIRE(policy.judge(ada, get_pods("a")).is_allowed);
        state.put(key, "2", binding_of("Role", "reader", R"({"kind":"User","name":"eve"})"));
        REQUIRE_FALSE(policy.judge(ada, get_pods("a")).is_allowed);
        state.remove(key);
        REQUIRE_FALSE(policy.judge({"eve", "", {}}, get_pods("a")).is_allowed);
    }
    state.put(key, "2", binding_of("Role", "reader", R"({"kind":"User","name":"ada"})"));
    state.put(group + "roles/a/reader", "1", R"(,"rules":[])");
    CHECK_FALSE(policy.judge(ada, get_pods("a")).is_allowed);
}

TEST_CASE("service accounts, and those that are only called so") {
    TestState state;
    Policy policy(*state);
    state.put(group + "roles/a/reader", "1", pod_rules);
    state.put(group + "rolebindings/a/b", "2",
              binding_of("Role", "reader", R"({"kind":"ServiceAccount","name":"robot","namespace":"b"})"));
    CHECK(policy.judge({"system:serviceaccount:b:robot", "", {}}, get_pods("a")).is_allowed);
    CHECK_FALSE(policy.judge({"system:serviceaccount:a:robot", "", {}}, get_pods("a")).is_allowed);
    CHECK_FALSE(policy.judge({"robot", "", {}}, get_pods("a")).is_allowed);
}

TEST_CASE("a role that is not there, and masters") {
    TestState state;
    Policy policy(*state);
    state.put(group + "rolebindings/a/b", "1", binding_of("Role", "gone", R"({"kind":"User","name":"ada"})"));
    CHECK(policy.judge(ada, get_pods("a")).reason == R"(RBAC: role.rbac.authorization.k8s.io "gone" not found)");
    state.put(group + "clusterrolebindings/c", "1",
              binding_of("ClusterRole", "too", R"({"kind":"User","name":"ada"})"));
    CHECK(
        policy.judge(ada, get_pods("a")).reason ==
        R"(RBAC: [clusterrole.rbac.authorization.k8s.io "too" not found, role.rbac.authorization.k8s.io "gone" not found])");
    CHECK(policy.holdings(ada, "a").errors.size() == 2);
    CHECK(policy.judge({"root", "", {"system:masters"}}, get_pods("")).is_allowed);
    auto none = policy.rules_of({"Role", "a", "gone"});
    REQUIRE_FALSE(none.ok());
    CHECK(none.error().message() == R"(roles.rbac.authorization.k8s.io "gone" not found)");
}

TEST_CASE("news that left the window are read anew") {
    TestState state;
    Policy policy(*state);
    state.put(group + "clusterroles/reader", "1", pod_rules);
    state.put(group + "clusterrolebindings/all", "2",
              binding_of("ClusterRole", "reader", R"({"kind":"User","name":"ada"})"));
    CHECK(policy.judge(ada, get_pods("")).is_allowed);
    state.remove(group + "clusterrolebindings/all");
    for (int i = 0; i < 11'000; ++i)
        state.put(group + "clusterrolebindings/other", "3",
                  binding_of("ClusterRole", "reader", R"({"kind":"User","name":"eve"})"));
    CHECK_FALSE(policy.judge(ada, get_pods("")).is_allowed);
    CHECK(policy.judge({"eve", "", {}}, get_pods("")).is_allowed);
}

TEST_CASE("many ask while roles change") {
    TestState state;
    Policy policy(*state);
    state.put(group + "clusterroles/reader", "1", pod_rules);
    state.put(group + "clusterrolebindings/all", "2",
              binding_of("ClusterRole", "reader", R"({"kind":"User","name":"ada"})"));
    std::atomic<bool> wrong{false};
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread)
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; ++i)
                if (!policy.judge(ada, get_pods("x")).is_allowed) wrong = true;
        });
    for (int i = 0; i < 500; ++i)
        state.put(group + "clusterrolebindings/other", "3",
                  binding_of("ClusterRole", "reader", R"({"kind":"User","name":"eve"})"));
    for (auto& thread : threads) thread.join();
    CHECK_FALSE(wrong);
}
