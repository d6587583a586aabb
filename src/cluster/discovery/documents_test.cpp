// SPDX-License-Identifier: Apache-2.0
#include "cluster/discovery/documents.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include <boost/json.hpp>

#include "base/json.h"
#include "cluster/discovery/groups_internal.h"
#include "cluster/discovery/test_kinds.h"

using namespace pila::cluster;
using namespace pila::cluster::discovery;
namespace json = boost::json;

namespace {

json::value read(const Documents& documents, std::string_view path, Form form = Form::Json) {
    auto document = documents.at(path, form);
    REQUIRE_MESSAGE(document, path);
    auto parsed = pila::parse_json(document->content);
    REQUIRE_MESSAGE(parsed.ok(), path);
    return parsed.take();
}

std::string text(const json::value& value) { return std::string(value.as_string()); }

std::vector<std::string> names(const json::value& list) {
    std::vector<std::string> all;
    for (const auto& group : list.as_array()) all.push_back(text(group.at("name")));
    return all;
}

}  // namespace

TEST_CASE("versions: stable before beta before alpha, the newer first, odd names last") {
    std::vector<std::string_view> wanted = {"v10",     "v2",       "v1",  "v11beta2", "v1beta10",
                                            "v1beta2", "v1alpha1", "foo", "v1x"};
    for (std::size_t left = 0; left < wanted.size(); ++left)
        for (std::size_t right = 0; right < wanted.size(); ++right) {
            INFO(wanted[left], " and ", wanted[right]);
            CHECK(is_better_version(wanted[left], wanted[right]) == (left < right));
        }
}

TEST_CASE("old discovery: groups in their order, each kind once, subresources as rows") {
    CustomKind custom;
    auto kinds = builtin_kinds();
    kinds.insert(kinds.begin(), &custom.kind);
    About about;
    about.address = "10.0.0.1:6443";
    Documents documents(kinds, about);

    auto api = read(documents, "/api");
    CHECK(text(api.at("kind")) == "APIVersions");
    CHECK(text(api.at("versions").at(0)) == "v1");
    CHECK(text(api.at("serverAddressByClientCIDRs").at(0).at("serverAddress")) == "10.0.0.1:6443");

    auto apis = read(documents, "/apis");
    auto groups = names(apis.at("groups"));
    CHECK(groups[1] == "apps");
    CHECK(groups[2] == "events.k8s.io");
    CHECK(groups.back() == "stable.example.com");
    std::set<std::string> rows;
    std::vector<std::string> versions = {"/api/v1"};
    for (const auto& group : apis.at("groups").as_array()) {
        auto one = read(documents, "/apis/" + text(group.at("name")));
        CHECK(text(one.at("kind")) == "APIGroup");
        CHECK(one.at("versions") == group.at("versions"));
        CHECK(group.at("preferredVersion") == group.at("versions").at(0));
        for (const auto& version : group.at("versions").as_array())
            versions.push_back("/apis/" + text(version.at("groupVersion")));
        if (text(group.at("name")) == "autoscaling") CHECK(text(group.at("versions").at(0).at("version")) == "v2");
    }
    for (const auto& path : versions) {
        auto list = read(documents, path);
        CHECK(text(list.at("kind")) == "APIResourceList");
        for (const auto& row : list.at("resources").as_array()) {
            CHECK(rows.insert(text(list.at("groupVersion")) + " " + text(row.at("name"))).second);
            CHECK_FALSE(row.at("verbs").as_array().empty());
        }
    }
    std::size_t wanted = 0;
    for (const auto* kind : kinds) {
        CHECK(rows.contains(kind->group_version.text() + " " + kind->plural));
        wanted += 1 + kind->subresources.size();
    }
    CHECK(rows.size() == wanted);
}

TEST_CASE("old discovery: a subresource tells whose kind its bodies are") {
    Documents documents(builtin_kinds(), {});
    std::map<std::string, json::value> rows;
    for (const char* path : {"/api/v1", "/apis/apps/v1"}) {
        auto list = read(documents, path);
        for (const auto& row : list.at("resources").as_array()) rows[text(row.at("name"))] = row;
    }
    auto origin = [&](const char* name) {
        const auto& row = rows.at(name).as_object();
        auto part = [&](const char* key) { return row.contains(key) ? text(row.at(key)) : std::string("-"); };
        return part("group") + " " + part("version") + " " + part("kind");
    };
    CHECK(origin("pods") == "- - Pod");
    CHECK(origin("pods/log") == "- - Pod");
    CHECK(origin("pods/eviction") == "policy v1 Eviction");
    CHECK(origin("pods/exec") == "- - PodExecOptions");
    CHECK(origin("serviceaccounts/token") == "authentication.k8s.io v1 TokenRequest");
    CHECK(origin("deployments/scale") == "autoscaling v1 Scale");
    CHECK(rows.at("pods/log").at("namespaced").as_bool());
}

TEST_CASE("aggregated discovery has each kind once, the core group alone in /api") {
    CustomKind custom;
    auto kinds = builtin_kinds();
    kinds.push_back(&custom.kind);
    Documents documents(kinds, {});
    std::set<std::string> seen;
    std::size_t subresources = 0;
    for (const char* path : {"/api", "/apis"}) {
        auto list = read(documents, path, Form::AggregatedV2);
        CHECK(text(list.at("apiVersion")) == "apidiscovery.k8s.io/v2");
        auto beta = read(documents, path, Form::AggregatedV2Beta1);
        CHECK(text(beta.at("apiVersion")) == "apidiscovery.k8s.io/v2beta1");
        CHECK(beta.at("items") == list.at("items"));
        for (const auto& group : list.at("items").as_array()) {
            const auto& metadata = group.at("metadata").as_object();
            CHECK(metadata.contains("name") == (std::string_view(path) == "/apis"));
            for (const auto& version : group.at("versions").as_array()) {
                CHECK(text(version.at("freshness")) == "Current");
                for (const auto& resource : version.at("resources").as_array()) {
                    const auto& kind = resource.at("responseKind");
                    CHECK(text(kind.at("version")) == text(version.at("version")));
                    CHECK(seen.insert(text(kind.at("group")) + "/" + text(kind.at("version")) + "/" +
                                      text(resource.at("resource")))
                              .second);
                    if (const auto* inner = resource.as_object().if_contains("subresources"))
                        subresources += inner->as_array().size();
                }
            }
        }
    }
    CHECK(seen.size() == kinds.size());
    std::size_t wanted = 0;
    for (const auto* kind : kinds) wanted += kind->subresources.size();
    CHECK(subresources == wanted);
    CHECK(documents.at("/api", Form::AggregatedV2)->content_type ==
          "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
}

TEST_CASE("what is not there is not made") {
    Documents documents(builtin_kinds(), {});
    for (std::string_view path :
         {"", "x", "/apis/", "x/api/v1", "x/apis/apps", "/apis//v1", "/api/v2", "/apis/nothing", "/apis/apps/v2",
          "/apis/apps/v1/x", "/openapi", "/openapi/v3/apis", "/openapi/v3/api/v9", "/openapi/v3x/api/v1", "/healthz"}) {
        INFO(path);
        if (path == "/apis/")
            CHECK(documents.at(path) == documents.at("/apis"));
        else
            CHECK_FALSE(documents.at(path));
    }
    CHECK_FALSE(documents.at("/api/v1", Form::AggregatedV2));
    CHECK_FALSE(documents.at("/openapi/v3", Form::Protobuf));
    CHECK(documents.at("/version")->etag.size() == 64);
}

TEST_CASE("the version and the list of paths") {
    About about;
    about.git_version = "v1.33.7";
    about.other_paths = {"/healthz", "/metrics"};
    Documents documents(builtin_kinds(), about);
    auto version = read(documents, "/version/");
    CHECK(text(version.at("major")) == "1");
    CHECK(text(version.at("minor")) == "33");
    CHECK(text(version.at("gitVersion")) == "v1.33.7");
    for (const char* key : {"gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform"})
        CHECK(version.as_object().contains(key));
    auto root = read(documents, "/");
    std::set<std::string> paths;
    for (const auto& path : root.at("paths").as_array()) paths.insert(text(path));
    for (const char* path :
         {"/healthz", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/openapi/v2", "/version"})
        CHECK_MESSAGE(paths.contains(path), path);
}

TEST_CASE("with other kinds, what did not change is taken over") {
    Documents before(builtin_kinds(), {});
    auto core = before.at("/openapi/v3/api/v1");
    auto apps = before.at("/apis/apps/v1");
    auto index = before.at("/openapi/v3");
    auto batch_etag = before.at("/openapi/v3/apis/batch/v1")->etag;

    auto owner = std::make_shared<CustomKind>();
    auto kinds = builtin_kinds();
    kinds.push_back(&owner->kind);
    Documents after(kinds, {}, owner, &before);
    CHECK(after.at("/openapi/v3/api/v1") == core);
    CHECK(after.at("/apis/apps/v1") == apps);
    CHECK(after.at("/openapi/v3/apis/batch/v1")->etag == batch_etag);
    CHECK(after.at("/openapi/v3")->etag != index->etag);
    CHECK(after.at("/apis/stable.example.com/v1"));
    CHECK_FALSE(before.at("/apis/stable.example.com/v1"));

    // The same name, but other kinds: nothing of the old ones is kept.
    CustomKind other;
    other.kind.short_names = {"tab"};
    kinds.back() = &other.kind;
    auto old = after.at("/apis/stable.example.com/v1");
    Documents last(kinds, {}, nullptr, &after);
    CHECK(last.at("/apis/stable.example.com/v1")->etag != old->etag);
}

TEST_CASE("the form is the first that the client takes and the path has") {
    const char* kubectl_127 =
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    const char* kubectl_133 =
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
    CHECK(form_for("/api", kubectl_127) == Form::AggregatedV2Beta1);
    CHECK(form_for("/apis", kubectl_133) == Form::AggregatedV2);
    CHECK(form_for("/apis/", kubectl_133) == Form::AggregatedV2);
    CHECK(form_for("/api/v1", kubectl_133) == Form::Json);
    CHECK(form_for("/apis",
                   "application/json;q=0.9, application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList") ==
          Form::AggregatedV2);
    CHECK(form_for("/apis", "application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList") == std::nullopt);
    CHECK(form_for("/apis", "") == Form::Json);
    CHECK(form_for("/apis", "*/*") == Form::Json);
    CHECK(form_for("/apis", "text/html, */*;q=0.1") == Form::Json);
    CHECK(form_for("/apis", "application/json;q=0") == std::nullopt);
    CHECK(form_for("/apis", "application/json;q=nan") == std::nullopt);
    CHECK(form_for("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf") == Form::Protobuf);
    CHECK(form_for("/openapi/v2", "application/json, */*") == Form::Json);
    CHECK(form_for("/openapi/v3", "application/com.github.proto-openapi.spec.v3@v1.0+protobuf") == std::nullopt);
}

// For trying real clients on: PILA_DUMP_DIR=DIR writes each document to a file, with a custom kind among them.
TEST_CASE("documents as files") {
    const char* folder = std::getenv("PILA_DUMP_DIR");
    if (!folder) return;
    About about;
    about.address = "127.0.0.1:6443";
    CustomKind custom;
    auto kinds = builtin_kinds();
    kinds.push_back(&custom.kind);
    Documents documents(kinds, about);
    auto dump = [&](const std::string& path, Form form, std::string suffix) {
        auto name = path.substr(1);
        for (auto& c : name)
            if (c == '/') c = '~';
        auto begin = std::chrono::steady_clock::now();
        auto document = documents.at(path, form);
        REQUIRE(document);
        auto took = std::chrono::steady_clock::now() - begin;
        MESSAGE(path, suffix, ": ", document->content.size(), " bytes in ",
                std::chrono::duration_cast<std::chrono::microseconds>(took).count(), " us");
        std::ofstream(std::string(folder) + "/" + name + suffix) << document->content;
    };
    for (const auto& path : documents.paths()) dump(path, Form::Json, ".json");
    for (const char* path : {"/api", "/apis"}) {
        dump(path, Form::AggregatedV2, ".v2");
        dump(path, Form::AggregatedV2Beta1, ".v2beta1");
    }
    dump("/openapi/v2", Form::Protobuf, ".pb");
}
