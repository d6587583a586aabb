// SPDX-License-Identifier: Apache-2.0
#include "cluster/api/selectors.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "cluster/schema/catalogue.h"

using namespace pila::cluster;
using api::FieldSelector;
using api::LabelSelector;

static const schema::Kind& pods() { return *schema::Catalogue::builtin().find_resource({"", "v1"}, "pods"); }

static std::string a_pod() {
    return api::attributes_of(boost::json::parse(R"({"metadata":{"name":"web","namespace":"shop",
        "labels":{"app":"web","tier":"front","empty":"","version":"7"}},
        "spec":{"nodeName":"n1","hostNetwork":true},"status":{"phase":"Running"}})"),
                              pods());
}

TEST_CASE("labels") {
    struct Row {
        const char* selector;
        bool matches;
    };
    for (const auto& row : std::vector<Row>{
             {"", true},
             {"app=web", true},
             {"app==web,tier=front", true},
             {"app!=web", false},
             {"other!=x", true},
             {"app", true},
             {"other", false},
             {"!other", true},
             {"!app", false},
             {"app in (web, api)", true},
             {"app in (api)", false},
             {"app notin (api)", true},
             {"other notin (api)", true},
             {"empty=", true},
             {"empty", true},
             {"app=", false},
             {"empty in (,x)", true},
             {"version>6", true},
             {"version<7", false},
             {"metadata.name=web", false},  // a field's name is no label
             {" app = web , tier in(front) ", true},
         }) {
        INFO(row.selector);
        auto selector = LabelSelector::parse(row.selector);
        REQUIRE(selector.ok());
        CHECK(selector->matches(a_pod()) == row.matches);
    }
    for (const auto* wrong :
         {"=a", "a=b=c", "a in b", "a in (b", "a,,b", "a,", "a/b/c=d", "-a=b", "a=b c", "a>x", "(", "a~b", "ä=b"}) {
        INFO(wrong);
        CHECK_FALSE(LabelSelector::parse(wrong).ok());
    }
    std::string many = "a in (";
    for (int index = 0; index < 1001; ++index) many += "b,";
    CHECK_FALSE(LabelSelector::parse(many + "c)").ok());
}

TEST_CASE("selectors of objects") {
    auto read = [](const char* text) { return LabelSelector::read(boost::json::parse(text)); };
    CHECK(read(R"({"matchLabels":{"app":"web"}})")->matches(a_pod()));
    CHECK(read(R"({"matchExpressions":[{"key":"tier","operator":"In","values":["front","back"]}]})")->matches(a_pod()));
    CHECK_FALSE(read(R"({"matchExpressions":[{"key":"tier","operator":"DoesNotExist"}]})")->matches(a_pod()));
    CHECK_FALSE(read(R"({"matchExpressions":[{"key":"tier","operator":"In"}]})").ok());
    CHECK_FALSE(read(R"({"matchExpressions":[{"key":"tier","operator":"Exists","values":["x"]}]})").ok());
    CHECK_FALSE(read(R"({"matchExpressions":[{"key":"tier","operator":"Like","values":["x"]}]})").ok());
}

TEST_CASE("fields") {
    auto matches = [](const char* text) {
        auto selector = FieldSelector::parse(text, pods());
        REQUIRE(selector.ok());
        return selector->matches(a_pod());
    };
    CHECK(matches("metadata.name=web"));
    CHECK(matches("spec.nodeName=n1,status.phase!=Failed,status.phase!=Succeeded"));
    CHECK(matches("spec.hostNetwork=true"));
    CHECK_FALSE(matches("metadata.namespace!=shop"));
    CHECK(matches("spec.restartPolicy="));
    CHECK(FieldSelector::parse("metadata.name=web", pods())->wanted_name() == "web");
    CHECK(FieldSelector::parse("spec.image=x", pods()).error().message() == "field label not supported: spec.image");
    CHECK_FALSE(FieldSelector::parse("nonsense", pods()).ok());
}
