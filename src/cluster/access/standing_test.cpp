// SPDX-License-Identifier: Apache-2.0
#include "cluster/access/standing.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include <boost/json.hpp>

#include "cluster/access/rules.h"

using namespace pila::cluster::access;
namespace json = boost::json;

TEST_CASE("the roles of every cluster") {
    auto all = read_standing(standing_text());
    REQUIRE(all.ok());
    std::set<std::string> names;
    for (const auto& one : *all) {
        CHECK_MESSAGE(names.insert(one.resource + "/" + one.name_space + "/" + one.name).second, one.name);
        auto role = one.object.if_contains("roleRef");
        if (!role) continue;
        std::string name(role->at("name").get_string());
        bool is_local = role->at("kind") == "Role";
        auto wanted = (is_local ? "roles/" + one.name_space : std::string("clusterroles/")) + "/" + name;
        CHECK_MESSAGE(names.count(wanted) == 1, one.name << " binds " << wanted);
    }
    for (auto name : {"clusterroles//cluster-admin", "clusterroles//view", "clusterrolebindings//system:discovery",
                      "roles/kube-system/extension-apiserver-authentication-reader"})
        CHECK_MESSAGE(names.count(name) == 1, name);
    auto view = std::find_if(all->begin(), all->end(), [](const auto& one) { return one.name == "view"; });
    CHECK(json::serialize(view->object) ==
          R"({"kind":"ClusterRole","apiVersion":"rbac.authorization.k8s.io/v1","metadata":{"name":"view","labels":)"
          R"({"kubernetes.io/bootstrapping":"rbac-defaults","rbac.authorization.k8s.io/aggregate-to-edit":"true"},)"
          R"("annotations":{"rbac.authorization.kubernetes.io/autoupdate":"true"}},"rules":[],"aggregationRule":)"
          R"({"clusterRoleSelectors":[{"matchLabels":{"rbac.authorization.k8s.io/aggregate-to-view":"true"}}]}})");
    auto admin = std::find_if(all->begin(), all->end(), [](const auto& one) { return one.name == "cluster-admin"; });
    CHECK(read_rules(admin->object) ==
          std::vector<Rule>{{.verbs = {"*"}, .groups = {"*"}, .resources = {"*"}}, {.verbs = {"*"}, .urls = {"*"}}});
}

TEST_CASE("nobody may read secrets who may only view") {
    auto all = read_standing(standing_text());
    REQUIRE(all.ok());
    for (const auto& one : *all)
        if (one.name == "system:aggregate-to-view")
            for (const auto& rule : read_rules(one.object)) {
                CHECK(rule.verbs == std::vector<std::string>{"get", "list", "watch"});
                CHECK(std::find(rule.resources.begin(), rule.resources.end(), "secrets") == rule.resources.end());
            }
}

TEST_CASE("lines that are none") {
    for (auto text : {"  get core pods", "role", "bind a b", "role a x=y", "role a\n  get core",
                      "role a\n  get a b c d", "what a b", "bind a b c", "bind a b account:x"})
        CHECK_FALSE(read_standing(text).ok());
}

TEST_CASE("what live objects lack") {
    auto all = read_standing("role r\n  get,list core pods\nbind b r group:g user:u\n");
    REQUIRE(all.ok());
    const auto &role = (*all)[0].object, &binding = (*all)[1].object;
    auto live = role;
    CHECK(mend(live, role) == Mending::None);
    live["rules"] = json::parse(R"([{"verbs":["*"],"apiGroups":["*"],"resources":["nodes"]}])");
    CHECK(mend(live, role) == Mending::Mended);
    CHECK(read_rules(live).size() == 2);
    CHECK(mend(live, role) == Mending::None);
    live["rules"] = json::array();
    live["metadata"].get_object()["annotations"].get_object()[update_annotation] = "false";
    CHECK(mend(live, role) == Mending::None);

    live = binding;
    live["subjects"].get_array().erase(live["subjects"].get_array().begin());
    CHECK(mend(live, binding) == Mending::Mended);
    CHECK(live["subjects"].get_array().size() == 2);
    live["roleRef"].get_object()["name"] = "other";
    CHECK(mend(live, binding) == Mending::Anew);
}
