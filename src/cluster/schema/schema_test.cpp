// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <chrono>
#include <set>

#include "cluster/schema/data.h"

using namespace pila::cluster::schema;

TEST_CASE("the built-in texts are read, and each type and field is described") {
    auto begin = std::chrono::steady_clock::now();
    auto parsed = Catalogue::parse(builtin_texts());
    auto took = std::chrono::steady_clock::now() - begin;
    REQUIRE_MESSAGE(parsed.ok(), (parsed ? "" : parsed.error().message()));
    MESSAGE("read in ", std::chrono::duration_cast<std::chrono::microseconds>(took).count(), " us");
    std::size_t fields = 0;
    for (const auto& type : (*parsed)->types()) {
        INFO(type.full_name);
        CHECK_FALSE(type.description.empty());
        fields += type.fields.size();
        for (const auto& field : type.fields) {
            INFO(field.name);
            CHECK_FALSE(field.description.empty());
            CHECK((field.list != ListKind::Map || !field.list_keys.empty()));
            if (field.node.form == Form::List && field.list == ListKind::Map)
                for (const auto& key : field.list_keys) CHECK(field.node.items->type->find(key));
        }
    }
    CHECK(fields > 1800);
    CHECK((*parsed)->kinds().size() >= 60);
}

TEST_CASE("names of kinds are told apart") {
    const auto& catalogue = Catalogue::builtin();
    const auto* pod = catalogue.find_resource({"", "v1"}, "pods");
    REQUIRE(pod);
    CHECK(pod->name == "Pod");
    CHECK(pod->is_namespaced);
    CHECK(pod->find_subresource("log"));
    CHECK(pod->resource() == "pods");
    CHECK(catalogue.find_kind({"apps", "v1"}, "Deployment")->resource() == "deployments.apps");
    CHECK(catalogue.find_kind({"autoscaling", "v1"}, "HorizontalPodAutoscaler") !=
          catalogue.find_kind({"autoscaling", "v2"}, "HorizontalPodAutoscaler"));
    CHECK_FALSE(catalogue.find_resource({"", "v1"}, "deployments"));
    std::set<std::string> seen;
    for (const auto& kind : catalogue.kinds()) CHECK(seen.insert(kind.group_version.text() + "/" + kind.plural).second);
}

TEST_CASE("fields say how they merge and where protobuf has them") {
    const auto* spec = Catalogue::builtin().find_type("io.k8s.api.core.v1.PodSpec");
    REQUIRE(spec);
    const auto* containers = spec->find("containers");
    REQUIRE(containers);
    CHECK(containers->required);
    CHECK(containers->merge_key == "name");
    CHECK(containers->list_keys == std::vector<std::string>{"name"});
    CHECK(containers->number[0] == 2);
    const auto* volume = Catalogue::builtin().find_type("io.k8s.api.core.v1.Volume");
    CHECK(volume->find("emptyDir")->is_folded());
    CHECK_FALSE(volume->find("name")->is_folded());
}

TEST_CASE("what is not understood is refused with its line") {
    auto refused = [](std::string_view content) {
        auto parsed = Catalogue::parse({{"x.schema", content}});
        REQUIRE_FALSE(parsed.ok());
        return parsed.error().message();
    };
    CHECK(refused("package a b c\n\ntype T : text\n  f wrong 1 : text\n") ==
          "x.schema:4: type wrong is not known in b");
    CHECK(refused("package a b c\ntype T : t\n  f string 1 odd : t\n") ==
          "x.schema:3: \"odd\" says nothing of a field");
    CHECK(refused("what\n") == "x.schema:1: \"what\" is not understood");
    CHECK(refused("package a b c\ntype T : t\ntype T : t\n") == "x.schema:3: b.T is there twice");
}
