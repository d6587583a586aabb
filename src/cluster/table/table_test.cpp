// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "cluster/table/raw_member.h"
#include "cluster/table/testing_internal.h"

using namespace pila::cluster;
using namespace pila::cluster::table;
using Source = schema::Column::Source;

TEST_CASE("a table says what it is, where the list stands and what its columns are") {
    Table table(builtin_kind("v1", "Namespace"), IncludeObject::Metadata);
    std::string out = "before ";
    table.append_start(out, {"123", "to\"ken", 7});
    table.append_end(out);
    CHECK(
        out ==
        R"(before {"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"123",)"
        R"("continue":"to\"ken","remainingItemCount":7},"columnDefinitions":[)"
        R"({"name":"Name","type":"string","format":"name","description":"Name, unique for its kind in the namespace; )"
        R"(fixed after creation","priority":0},)"
        R"({"name":"Status","type":"string","format":"","description":"Active or Terminating","priority":0},)"
        R"({"name":"Age","type":"string","format":"","description":"When the server created it","priority":0}],"rows":[]})");
    out.clear();
    table.append_start(out, {}, Definitions::No);
    table.append_end(out);
    CHECK(out == R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{},"columnDefinitions":null,"rows":[]})");
}

TEST_CASE("every column of every kind is described") {
    for (const auto& kind : schema::Catalogue::builtin().kinds()) {
        auto definitions = whole_table(kind, "{}").at("columnDefinitions").as_array();
        CHECK(definitions.size() == (kind.columns.empty() ? 2 : kind.columns.size()));
        CHECK(whole_table(kind, "{}").at("rows").at(0).at("cells").as_array().size() == definitions.size());
        for (const auto& definition : definitions)
            CHECK_MESSAGE(!definition.at("description").as_string().empty(), kind.name, " ",
                          json::serialize(definition));
    }
}

TEST_CASE("wide columns have priority 1") {
    auto table = whole_table(builtin_kind("v1", "Pod"), "{}");
    CHECK(table.at("columnDefinitions").at(4).at("priority") == 0);
    CHECK(table.at("columnDefinitions").at(5).at("priority") == 1);
}

TEST_CASE("rows carry the object, its metadata or nothing") {
    const auto& kind = builtin_kind("v1", "Namespace");
    constexpr std::string_view bytes =
        R"({"kind":"Namespace", "metadata" : {"name":"a","labels":{"x":"}\"{"}} ,"status":{"phase":"Active"}})";
    auto object = json::parse(bytes.data());
    auto row = [&](IncludeObject include, std::string_view given) {
        Table table(kind, include);
        std::string out;
        table.append_row(out, object, given, noon);
        return out;
    };
    const std::string cells = R"({"cells":["a","Active","<unknown>"],"object":)";
    CHECK(row(IncludeObject::None, bytes) == cells + "null}");
    CHECK(row(IncludeObject::Object, bytes) == cells + std::string(bytes) + "}");
    CHECK(json::parse(row(IncludeObject::Object, "")).at("object") == object);
    const std::string metadata = R"({"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":)";
    CHECK(row(IncludeObject::Metadata, bytes) == cells + metadata + R"({"name":"a","labels":{"x":"}\"{"}}}})");
    CHECK(row(IncludeObject::Metadata, "") == cells + metadata + R"({"name":"a","labels":{"x":"}\"{"}}}})");
    object = json::object();
    CHECK(row(IncludeObject::Metadata, "{}") == R"({"cells":["","","<unknown>"],"object":)" + metadata + "{}}}");
}

TEST_CASE("rows follow each other, and a table can be started again") {
    Table table(builtin_kind("v1", "LimitRange"), IncludeObject::None);
    std::string out;
    for (int time = 0; time < 2; ++time) {
        out.clear();
        table.append_start(out, {});
        for (int row = 0; row < 3; ++row) table.append_row(out, json::parse("{}"), "{}", noon);
        table.append_end(out);
        CHECK(json::parse(out).at("rows").as_array().size() == 3);
    }
}

TEST_CASE("many rows") {
    std::string bytes = R"({"metadata":{"name":"web-1","creationTimestamp":"2025-06-01T11:00:00Z","managedFields":")" +
                        std::string(2000, 'x') +
                        R"("},"spec":{"containers":[{"name":"c"}]},"status":{"phase":"Running",)" +
                        R"("containerStatuses":[{"ready":true,"restartCount":1,"state":{"running":{}}}]}})";
    auto object = json::parse(bytes);
    Table table(builtin_kind("v1", "Pod"), IncludeObject::Metadata);
    std::string out;
    auto begin = std::chrono::steady_clock::now();
    table.append_start(out, {});
    for (int row = 0; row < 10'000; ++row) table.append_row(out, object, bytes, noon);
    table.append_end(out);
    auto took = std::chrono::steady_clock::now() - begin;
    MESSAGE("10,000 pods in ", std::chrono::duration_cast<std::chrono::milliseconds>(took).count(), " ms");
    CHECK(json::parse(out).at("rows").as_array().size() == 10'000);
    CHECK(out.size() < 10'000 * (2000 + 400));
}

TEST_CASE("columns of custom resources") {
    schema::Kind kind;
    kind.name = "Widget";
    kind.columns = {
        {"Name", "string", "name", 0, Source::Path, "metadata.name", ""},
        {"Text", "string", "", 0, Source::Path, ".spec.text", ""},
        {"Any", "string", "", 0, Source::Path, ".spec.any", ""},
        {"Number", "integer", "int32", 0, Source::Path, ".spec.number", ""},
        {"Ratio", "number", "", 0, Source::Path, ".spec.ratio", ""},
        {"On", "boolean", "", 0, Source::Path, ".spec.on", ""},
        {"Since", "date", "", 1, Source::Path, ".status.since", ""},
        {"Ready", "string", "", 0, Source::Path, ".status.conditions[?(@.type==\"Ready\")].status", ""},
        {"Bad", "string", "", 0, Source::Path, ".spec[", ""},
    };
    auto cells = [&](const char* object) { return json::serialize(cells_of(kind, object)); };
    CHECK(
        cells(
            R"({"metadata":{"name":"w"},"spec":{"text":"t","any":{"b":[1,{"y":null,"x":0.5}],"a":"q\"","c":[],"d":{}},)"
            R"("number":-4,"ratio":2.5,"on":true},"status":{"since":"2025-06-01T11:58:00Z",)"
            R"("conditions":[{"type":"Synced","status":"False"},{"type":"Ready","status":"True"}]}})") ==
        json::serialize(json::parse(
            R"x(["w","t","{\"a\":\"q\\\"\",\"b\":[1,{\"x\":0.5,\"y\":null}],\"c\":[],\"d\":{}}",-4,2.5,true,"2m","True",null])x")));
    CHECK(cells("{}") == R"(["",null,null,null,null,null,null,null,null])");
    CHECK(cells(R"({"spec":{"text":7,"any":1.5,"number":"4","ratio":"2","on":"true"},"status":{"since":7}})") ==
          R"(["","7","1.5",null,null,null,null,null,null])");
    CHECK(cells(R"({"spec":{"text":true,"any":[],"number":2.9,"ratio":3,"on":1},"status":{"since":"soon"}})") ==
          R"(["","true","[]",2,3,null,"<invalid>",null,null])");
    CHECK(cells(R"({"status":{"since":"0001-01-01T00:00:00Z"}})") ==
          R"(["",null,null,null,null,null,"<unknown>",null,null])");
}

TEST_CASE("the description of a custom column is that of its field") {
    auto kind = builtin_kind("apps/v1", "Deployment");
    kind.columns = {{"A", "integer", "", 0, Source::Path, ".spec.replicas", ""},
                    {"B", "integer", "", 0, Source::Path, ".spec.selector.matchLabels.app", ""},
                    {"C", "string", "", 0, Source::Path, ".spec.nothing", ""},
                    {"D", "string", "", 0, Source::Path, ".spec.replicas.deeper", ""}};
    auto table = whole_table(kind, "{}");
    auto description = [&](int at) { return table.at("columnDefinitions").at(at).at("description").as_string(); };
    CHECK_FALSE(description(0).empty());
    CHECK_FALSE(description(1).empty());
    CHECK(description(2).empty());
    CHECK(description(3).empty());
}

TEST_CASE("values of unexpected types print as if they were not there") {
    // Every field that a column may look at holds something else.
    for (const char* value :
         {"7", "-1.5", "true", "\"text\"", "[]", "[[{}],7,null]", "{}", R"({"a":{"b":[]}})", "null"}) {
        std::string inner = "{", outer = "{";
        for (const char* name : {"name",
                                 "creationTimestamp",
                                 "deletionTimestamp",
                                 "annotations",
                                 "labels",
                                 "phase",
                                 "conditions",
                                 "containers",
                                 "initContainers",
                                 "containerStatuses",
                                 "initContainerStatuses",
                                 "replicas",
                                 "template",
                                 "jobTemplate",
                                 "selector",
                                 "ports",
                                 "rules",
                                 "tls",
                                 "metrics",
                                 "hard",
                                 "used",
                                 "capacity",
                                 "accessModes",
                                 "addresses",
                                 "parameters",
                                 "parentRef",
                                 "paramKind",
                                 "paramRef",
                                 "claimRef",
                                 "service",
                                 "series",
                                 "ownerReferences",
                                 "podSelector",
                                 "cidrs",
                                 "nodeInfo",
                                 "readinessGates",
                                 "loadBalancer",
                                 "minAvailable"})
            inner += std::string("\"") + name + "\":" + value + ",";
        inner += "\"z\":0}";
        for (const char* name : {"metadata", "spec", "status"}) outer += std::string("\"") + name + "\":" + inner + ",";
        for (const char* name :
             {"subsets", "endpoints", "ports", "subjects", "roleRef", "data", "webhooks", "conditions",
              "involvedObject", "source", "series", "count", "message", "value", "template"})
            outer += std::string("\"") + name + "\":" + value + ",";
        outer += "\"z\":0}";
        for (const auto& kind : schema::Catalogue::builtin().kinds()) {
            for (const auto& object : {outer, std::string(value)}) {
                INFO(kind.name, " ", object);
                CHECK(cells_of(kind, object).size() == (kind.columns.empty() ? 2 : kind.columns.size()));
            }
        }
    }
    CHECK(cells_of(builtin_kind("v1", "Namespace"), R"({"metadata":{"name":7},"status":[]})") ==
          cells_of(builtin_kind("v1", "Namespace"), "{}"));
}

TEST_CASE("a member's text is found without reading the rest") {
    struct Case {
        const char *text, *found;  // null: none
    };
    const Case cases[] = {
        {R"({"a":1})", "1"},
        {R"( { "b" : "}" , "a" : [1,{"c":"]"}] } )", R"([1,{"c":"]"}])"},
        {R"({"a":"x\"y\\"})", R"("x\"y\\")"},
        {R"({"b":{"a":2},"a":null})", "null"},
        {R"({"b\"":1,"a":-1.5e3 ,"c":2})", "-1.5e3"},
        {R"({"b\\":1,"a":{}})", "{}"},
        {R"({"a":true,"a":false})", "true"},
        {"{}", nullptr},
        {"", nullptr},
        {"[]", nullptr},
        {"7", nullptr},
        {R"({"b":1})", nullptr},
        {R"({"b":1 "a":2})", nullptr},
        {R"({"a")", nullptr},
        {R"({"a":)", nullptr},
        {R"({"a":[)", nullptr},
        {R"({"a":"x)", nullptr},
        {R"({"a":"x\")", nullptr},
        {R"({"a":["x\"])", nullptr},
        {R"({a:1})", nullptr},
        {R"({"":1,"a":2})", "2"},
    };
    for (const auto& one : cases) {
        auto found = raw_member(one.text, "a");
        CHECK_MESSAGE(found.has_value() == (one.found != nullptr), one.text);
        if (found && one.found) CHECK_MESSAGE(*found == one.found, one.text);
    }
}
