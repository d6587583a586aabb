// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "cluster/kinds/rules.h"
#include "cluster/kinds/test_support.h"
#include "cluster/kinds/tree.h"

using namespace pila::cluster;
using namespace pila::cluster::kinds;

namespace {

json::object minimal(const schema::Kind& kind) {
    return {{"apiVersion", kind.group_version.text()}, {"kind", kind.name}, {"metadata", {{"name", "a-name"}}}};
}

}  // namespace

TEST_CASE("each row is of a type that is there, and of no type twice") {
    std::set<std::string> names;
    for (const auto& type : schema::Catalogue::builtin().types()) names.insert(type.full_name);
    auto count = [&](auto tables) {
        std::set<std::string_view> seen;
        for (const auto& table : tables)
            for (const auto& row : table) {
                INFO(std::string(row.type));
                CHECK(seen.insert(row.type).second);
                std::size_t found = 0;
                for (const auto& name : names)
                    if (name.ends_with("." + std::string(row.type))) ++found;
                CHECK(found == 1);
            }
        return seen.size();
    };
    CHECK(count(std::initializer_list<std::span<const DefaultRow>>{
              pod_defaults(), workload_defaults(), service_defaults(), policy_defaults(), machinery_defaults()}) > 50);
    CHECK(count(std::initializer_list<std::span<const CheckRow>>{
              pod_checks(),     container_checks(), probe_checks(),    scheduling_checks(),    security_checks(),
              volume_checks(),  storage_checks(),   selector_checks(), workload_checks(),      job_checks(),
              service_checks(), endpoint_checks(),  network_checks(),  configuration_checks(), resource_checks(),
              quota_checks(),   access_checks(),    scaling_checks(),  webhook_checks(),       definition_checks()}) >
          120);
    CHECK(count(std::initializer_list<std::span<const UpdateRow>>{pod_updates(), workload_updates(), other_updates()}) >
          24);
}

TEST_CASE("an object with nothing but a name is completed once and for all, and judged") {
    for (const auto& kind : schema::Catalogue::builtin().kinds()) {
        INFO(kind.group_version.text() << " " << kind.name);
        auto object = complete(json::serialize(minimal(kind)));
        const auto once = object;
        set_defaults(object, kind);
        CHECK(object == once);
        const auto causes = validate(object, kind);
        CHECK(causes.size() < 20);
        for (const auto& cause : causes) {
            INFO(cause.field << ": " << cause.message);
            CHECK(cause.reason.starts_with("FieldValue"));
            CHECK(cause.field.find("metadata.name.") == std::string::npos);
        }
        validate_update(object, once, kind);
        warnings(object, kind);
    }
}

TEST_CASE("trees that were not fitted are taken as absent where types are wrong") {
    for (const auto& kind : schema::Catalogue::builtin().kinds())
        for (auto text : {R"({"metadata":7,"spec":[],"status":"x","data":3,"webhooks":{},"rules":9,"subjects":4})",
                          R"({"metadata":{"labels":[],"name":[1]},"spec":{"template":{"spec":[{}]},"containers":"x",
                              "ports":[1,"a",null,{}],"rules":[[]],"selector":"a","limits":[0],"strategy":"none"}})"}) {
            auto object = json::parse(text).as_object();
            set_defaults(object, kind);
            CHECK((!kind.has_verb("get") || !validate(object, kind).empty()));
            validate_update(object, json::parse(text).as_object(), kind);
        }
}

TEST_CASE("names by kind") {
    auto check = [](const char* group, const char* version, const char* kind, std::string_view name) {
        const auto* found = schema::Catalogue::builtin().find_kind({group, version}, kind);
        REQUIRE(found);
        return texts(validate_name(name, *found));
    };
    CHECK(check("", "v1", "Pod", "a.b-c.1").empty());
    CHECK(check("", "v1", "Namespace", "a.b") ==
          std::vector<std::string>{"metadata.name: Invalid value: \"a.b\": must not contain dots"});
    CHECK(check("", "v1", "Service", "1a").size() == 1);
    CHECK(check("", "v1", "Service", "a1").empty());
    CHECK(check("rbac.authorization.k8s.io", "v1", "ClusterRole", "system:node").empty());
    CHECK(check("rbac.authorization.k8s.io", "v1", "ClusterRole", "a/b") ==
          std::vector<std::string>{"metadata.name: Invalid value: \"a/b\": may not contain '/'"});
    CHECK(check("batch", "v1", "CronJob", std::string(53, 'a')).size() == 1);
    CHECK(check("networking.k8s.io", "v1", "IPAddress", "10.0.0.1").empty());
    CHECK(check("", "v1", "Pod", "Web") ==
          std::vector<std::string>{
              "metadata.name: Invalid value: \"Web\": a lowercase RFC 1123 subdomain must consist of lower case "
              "alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
              "'example.com', regex used for validation is "
              "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"});
}

TEST_CASE("updates without a version, updates that create") {
    auto kind = [](const char* group, const char* version, const char* name) -> const schema::Kind& {
        return *schema::Catalogue::builtin().find_kind({group, version}, name);
    };
    CHECK(allows_unconditional_update(kind("", "v1", "Pod")));
    CHECK_FALSE(allows_unconditional_update(kind("coordination.k8s.io", "v1", "Lease")));
    CHECK_FALSE(allows_unconditional_update(kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")));
    CHECK(allows_create_on_update(kind("coordination.k8s.io", "v1", "Lease")));
    CHECK_FALSE(allows_create_on_update(kind("", "v1", "Pod")));
    schema::Type type;
    type.full_name = "com.example.v1.Widget";
    schema::Kind custom;
    custom.group_version = {"example.com", "v1"};
    custom.name = "Widget";
    custom.type = &type;
    custom.verbs = {"get", "create"};
    CHECK_FALSE(allows_unconditional_update(custom));
    CHECK(texts(validate({{"metadata", {{"name", "A"}}}}, custom)).size() == 1);
}
