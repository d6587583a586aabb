// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "cluster/table/json_path.h"

using namespace pila::cluster::table;

static const char* const object = R"({
    "spec": {"replicas": 3, "ratio": 0.5, "on": true, "none": null, "a.b": {"c d": "deep"},
             "list": [10, 20, 30], "nested": [[1, 2], [3]], "empty": []},
    "metadata": {"annotations": {"example.org/colour": "blue", "it's": "quoted"}},
    "status": {"conditions": [
        {"type": "Synced", "status": "False", "at": {"generation": 1}},
        {"type": "Ready", "status": "True", "weight": 5, "last": true, "at": {"generation": 7}},
        {"type": "Ready", "status": "Second", "weight": 9}, "odd", 7]}})";

TEST_CASE("paths find the first value, or none") {
    struct Case {
        const char *path, *found;  // "": nothing
    };
    const Case cases[] = {
        {".spec.replicas", "3"},
        {".spec.on", "true"},
        {".spec.missing", ""},
        {".spec.none", ""},
        {".spec.replicas.deeper", ""},
        {".spec['replicas']", "3"},
        {".['spec']['replicas']", "3"},
        {".spec[\"replicas\"]", "3"},
        {".spec['a.b']['c d']", "\"deep\""},
        {".spec.a\\.b.c d", "\"deep\""},
        {".metadata.annotations.example\\.org/colour", "\"blue\""},
        {".metadata.annotations['example.org/colour']", "\"blue\""},
        {".metadata.annotations['it\\'s']", "\"quoted\""},
        {".spec.list[0]", "10"},
        {".spec.list[2]", "30"},
        {".spec.list[3]", ""},
        {".spec.list[-1]", "30"},
        {".spec.list[-3]", "10"},
        {".spec.list[-4]", ""},
        {".spec.replicas[0]", ""},
        {".spec.list", "[10,20,30]"},
        {".spec.list[*]", "10"},
        {".spec.empty[*]", ""},
        {".spec.nested[*][1]", "2"},
        {".spec.nested[1][*]", "3"},
        {".metadata.annotations.*", "\"blue\""},
        {".status.conditions[*].weight", "5"},
        {".status.conditions[?(@.type==\"Ready\")].status", "\"True\""},
        {".status.conditions[?(@.type=='Ready')].status", "\"True\""},
        {".status.conditions[?( @.type == 'Ready' )].status", "\"True\""},
        {".status.conditions[?(@.type!='Synced')].status", "\"True\""},
        {".status.conditions[?(@['type']=='Synced')].status", "\"False\""},
        {".status.conditions[?(@.at.generation==7)].type", "\"Ready\""},
        {".status.conditions[?(@.type=='Unknown')].status", ""},
        {".status.conditions[?(@.weight>5)].status", "\"Second\""},
        {".status.conditions[?(@.weight>=5)].status", "\"True\""},
        {".status.conditions[?(@.weight<9)].weight", "5"},
        {".status.conditions[?(@.weight<=4.5)].weight", ""},
        {".status.conditions[?(@.last==true)].weight", "5"},
        {".status.conditions[?(@.last!=true)].weight", ""},
        {".status.conditions[?(@.weight)].weight", "5"},
        {".status.conditions[?(@=='odd')]", "\"odd\""},
        {".status.conditions[?(@==7)]", "7"},
        {".status.conditions[?(@.type==5)].status", ""},
        {".status.conditions[?(@.weight!='x')].status", ""},
        {".spec[?(@.type=='Ready')]", ""},
    };
    auto root = json::parse(object);
    for (const auto& one : cases) {
        auto path = JsonPath::parse(one.path);
        REQUIRE_MESSAGE(path.ok(), one.path, " ", (path ? "" : path.error().message()));
        const auto* found = path->first(root);
        CHECK_MESSAGE((found ? json::serialize(*found) : "") == one.found, one.path);
    }
    CHECK(JsonPath::parse(".")->first(root) == &root);
}

TEST_CASE("what is no path, or none of those that are understood, is refused") {
    for (const char* text : {"",
                             "spec",
                             "$.spec",
                             "..spec",
                             ".spec.",
                             ".spec..x",
                             ".spec[",
                             ".spec[]",
                             ".spec[1",
                             ".spec[x]",
                             ".spec['x",
                             ".spec['x'",
                             ".spec[0:1]",
                             ".spec['a','b']",
                             ".spec[?(@.x=='y']",
                             ".spec[?(@.x=)]",
                             ".spec[?(@.x=='y)]",
                             ".spec[?(x==1)]",
                             ".spec[?(@.x==)]",

                             ".spec\\",
                             ".spec]",
                             ".spec[99999999999999999999]"})
        CHECK_MESSAGE(!JsonPath::parse(text).ok(), text);
    std::string deep;
    for (int step = 0; step < 65; ++step) deep += ".x";
    CHECK_FALSE(JsonPath::parse(deep).ok());
    CHECK(JsonPath::parse(".spec[x]").error().message().find("at byte 6") != std::string::npos);
}

TEST_CASE("names of a path that has nothing else") {
    CHECK(JsonPath::parse(".spec['a.b'].c")->names() == std::vector<std::string>{"spec", "a.b", "c"});
    CHECK(JsonPath::parse(".spec[0].c")->names().empty());
}
