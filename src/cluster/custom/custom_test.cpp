// SPDX-License-Identifier: Apache-2.0
#include "cluster/custom/custom.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "cluster/codec/codec.h"

using namespace pila::cluster;
namespace json = boost::json;

namespace {

std::string definition_text(std::string_view schema, std::string_view more = "") {
    return R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
        "metadata":{"name":"crontabs.stable.example.com"},
        "spec":{"group":"stable.example.com","scope":"Namespaced",
          "names":{"plural":"crontabs","singular":"crontab","kind":"CronTab","listKind":"CronTabList","shortNames":["ct"]},
          "versions":[{"name":"v1","served":true,"storage":true,"schema":{"openAPIV3Schema":)" +
           std::string(schema) + "}" + std::string(more) + "}]}}";
}

struct Compiled {
    custom::Findings findings;
    std::shared_ptr<const custom::Definition> definition;

    const schema::Kind& kind() const {
        REQUIRE(definition);
        REQUIRE_FALSE(definition->kinds.empty());
        return *definition->kinds.front();
    }
    schema::Node node() const { return {.form = schema::Form::Message, .type = kind().type}; }
};

Compiled compile(std::string_view schema, std::string_view more = "") {
    Compiled made;
    json::parse_options options;
    options.max_depth = 500;
    auto tree = json::parse(definition_text(schema, more), {}, options);
    const auto& object = tree.as_object();
    made.definition = custom::compile(object, custom::read_names(&object.at("spec").at("names")), made.findings);
    return made;
}

std::string joined(const std::vector<kinds::Cause>& causes) {
    std::string text;
    for (const auto& cause : causes) text += cause.field + ": " + cause.message + "\n";
    return text;
}

// As on create: pruned and completed.
json::value completed(const Compiled& compiled, std::string_view text, codec::Faults* faults = nullptr) {
    auto value = json::parse(text);
    codec::Faults own;
    auto fitted = codec::fit(value, compiled.node(), faults ? *faults : own);
    REQUIRE_MESSAGE(fitted.ok(), (fitted ? std::string() : fitted.error().message()));
    codec::apply_defaults(value, compiled.node());
    return value;
}

std::string faults_of(const Compiled& compiled, std::string_view text) {
    return joined(custom::validate(completed(compiled, text), compiled.kind()));
}

std::string faults_of_schema(std::string_view schema) {
    auto made = compile(schema);
    CHECK((made.definition == nullptr) == !made.findings.causes.empty());
    return joined(made.findings.causes);
}

constexpr std::string_view cron = R"({"type":"object","properties":{
    "spec":{"type":"object","required":["cron"],"properties":{
      "cron":{"type":"string","pattern":"^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$"},
      "image":{"type":"string","minLength":2,"maxLength":5},
      "replicas":{"type":"integer","minimum":1,"maximum":10,"default":1},
      "policy":{"type":"string","enum":["Allow","Forbid"],"default":"Allow"},
      "port":{"x-kubernetes-int-or-string":true},
      "note":{"type":"string","nullable":true},
      "when":{"type":"string","format":"date-time"},
      "tags":{"type":"array","maxItems":2,"items":{"type":"string"},"x-kubernetes-list-type":"set"},
      "ports":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],
        "items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"number":{"type":"integer","default":80}}}},
      "limits":{"type":"object","additionalProperties":{"type":"integer"}},
      "nested":{"type":"object","default":{},"properties":{"deep":{"type":"object","properties":{"on":{"type":"boolean","default":true}},"default":{}}}},
      "free":{"type":"object","x-kubernetes-preserve-unknown-fields":true,"properties":{"known":{"type":"integer","default":7}}},
      "any":{"x-kubernetes-preserve-unknown-fields":true}}},
    "status":{"type":"object","properties":{"replicas":{"type":"integer"}}}}})";

}  // namespace

TEST_CASE("a definition becomes a kind") {
    auto made = compile(cron, R"(,"subresources":{"status":{},"scale":{"specReplicasPath":".spec.replicas",
        "statusReplicasPath":".status.replicas"}},"selectableFields":[{"jsonPath":".spec.policy"}],
        "additionalPrinterColumns":[{"name":"Cron","type":"string","jsonPath":".spec.cron"}])");
    REQUIRE_MESSAGE(made.definition, joined(made.findings.causes));
    const auto& kind = made.kind();
    CHECK(kind.group_version.text() == "stable.example.com/v1");
    CHECK(kind.list_kind() == "CronTabList");
    CHECK(kind.short_names == std::vector<std::string>{"ct"});
    CHECK(kind.is_namespaced);
    CHECK(kind.has_verb("create"));
    REQUIRE(kind.columns.size() == 2);
    CHECK(kind.columns[0].name == "Name");
    CHECK(kind.columns[1].path == ".spec.cron");
    CHECK(kind.find_subresource("status"));
    CHECK(kind.find_subresource("scale")->kind == "Scale");
    CHECK(kind.custom->wanted_replicas == "spec.replicas");
    CHECK(kind.custom->selectable == std::vector<std::string>{"spec.policy"});
    const auto* spec = kind.type->find("spec");
    REQUIRE(spec);
    CHECK(spec->node.type->find("cron")->required);
    CHECK(spec->node.type->find("ports")->list == schema::ListKind::Map);
    CHECK(kind.type->find("metadata")->node.type);
    CHECK(compile(cron).kind().columns.back().name == "Age");
}

TEST_CASE("objects are pruned and completed at any depth") {
    auto made = compile(cron);
    codec::Faults faults;
    auto object =
        completed(made, R"({"kind":"CronTab","metadata":{"name":"a"},"odd":1,"spec":{"cron":"* * * * *","odd":2,
        "image":null,"note":null,"ports":[{"name":"web"},{"name":"x","odd":1,"number":null}],"limits":{"a":1,"b":null},
        "free":{"odd":{"x":null}},"any":[{"x":1}]}})",
                  &faults);
    CHECK(faults.unknown == std::vector<std::string>{"odd", "spec.odd", "spec.ports[1].odd"});
    auto expected = json::parse(R"({"kind":"CronTab","metadata":{"name":"a"},"spec":{"cron":"* * * * *","note":null,
        "ports":[{"name":"web","number":80},{"name":"x","number":80}],"limits":{"a":1},"free":{"odd":{"x":null},"known":7},
        "any":[{"x":1}],"nested":{"deep":{"on":true}},"policy":"Allow","replicas":1}})");
    CHECK_MESSAGE(object == expected, json::serialize(object));
}

TEST_CASE("what may be anything is completed where it is an object") {
    auto made = compile(R"({"type":"object","properties":{"a":{"x-kubernetes-preserve-unknown-fields":true,
        "properties":{"b":{"type":"integer","default":1}}}}})");
    CHECK(completed(made, R"({"a":{"c":2}})") == json::parse(R"({"a":{"b":1,"c":2},"metadata":{}})"));
    CHECK(faults_of(made, R"({"a":"text"})").empty());
    CHECK(completed(made, R"({"a":"text"})") == json::parse(R"({"a":"text","metadata":{}})"));
}

TEST_CASE("values are refused in Kubernetes' words") {
    auto made = compile(cron);
    auto faults = [&](std::string_view spec) { return faults_of(made, "{\"spec\":" + std::string(spec) + "}"); };
    CHECK(faults(R"({"cron":"* * * * *"})").empty());
    CHECK(faults("{}") == "spec.cron: Required value\n");
    CHECK(faults(R"({"cron":"x"})") ==
          "spec.cron: Invalid value: \"x\": spec.cron in body should match "
          "'^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'\n");
    CHECK(faults(R"({"cron":"* * * * *","replicas":"3"})") ==
          "spec.replicas: Invalid value: \"string\": spec.replicas in body must be of type integer: \"string\"\n");
    CHECK(faults(R"({"cron":"* * * * *","replicas":11})") ==
          "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10\n");
    CHECK(faults(R"({"cron":"* * * * *","replicas":0})") ==
          "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1\n");
    CHECK(faults(R"({"cron":"* * * * *","image":"x"})") ==
          "spec.image: Invalid value: \"x\": spec.image in body should be at least 2 chars long\n");
    CHECK(faults(R"({"cron":"* * * * *","image":"xxxxxx"})") == "spec.image: Too long: may not be more than 5 bytes\n");
    CHECK(faults(R"({"cron":"* * * * *","policy":"Never"})") ==
          "spec.policy: Unsupported value: \"Never\": supported values: \"Allow\", \"Forbid\"\n");
    CHECK(faults(R"({"cron":"* * * * *","port":true})") ==
          "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"\n");
    CHECK(faults(R"({"cron":"* * * * *","port":"80"})").empty());
    CHECK(faults(R"({"cron":"* * * * *","when":"noon"})") ==
          "spec.when: Invalid value: \"noon\": spec.when in body must be of type date-time: \"noon\"\n");
    CHECK(faults(R"({"cron":"* * * * *","tags":["a","a"]})") == "spec.tags[1]: Duplicate value: \"a\"\n");
    CHECK(faults(R"({"cron":"* * * * *","tags":["a","b","c"]})") ==
          "spec.tags: Too many: 3: must have at most 2 items\n");
    CHECK(faults(R"({"cron":"* * * * *","tags":[null]})") ==
          "spec.tags[0]: Invalid value: \"null\": spec.tags[0] in body must be of type string: \"null\"\n");
    CHECK(faults(R"({"cron":"* * * * *","ports":[{"name":"a"},{"name":"a","number":1}]})") ==
          "spec.ports[1]: Duplicate value: {\"name\":\"a\"}\n");
    CHECK(faults(R"({"cron":"* * * * *","limits":{"a":"x"}})") ==
          "spec.limits.a: Invalid value: \"string\": spec.limits.a in body must be of type integer: \"string\"\n");
    CHECK(faults_of(made, R"({"spec":[]})") ==
          "spec: Invalid value: \"array\": spec in body must be of type object: \"array\"\n");
}

TEST_CASE("what was wrong before is let pass") {
    auto made = compile(cron);
    auto old = completed(made, R"({"spec":{"cron":"x","replicas":3}})");
    auto object = completed(made, R"({"spec":{"cron":"x","replicas":30}})");
    CHECK(joined(custom::validate_update(object, old, made.kind())) ==
          "spec.replicas: Invalid value: 30: spec.replicas in body should be less than or equal to 10\n");
}

TEST_CASE("allOf, anyOf, oneOf, not") {
    auto made = compile(R"({"type":"object","properties":{"spec":{"type":"object","properties":{
        "a":{"type":"integer"},"b":{"type":"string"},"c":{"type":"integer"}},
        "oneOf":[{"required":["a"]},{"required":["b"]}],
        "anyOf":[{"properties":{"c":{"minimum":5}}},{"required":["b"]}],
        "not":{"properties":{"c":{"maximum":0}},"required":["c"]}}}})");
    REQUIRE_MESSAGE(made.definition, joined(made.findings.causes));
    auto faults = [&](std::string_view spec) { return faults_of(made, "{\"spec\":" + std::string(spec) + "}"); };
    CHECK(faults(R"({"a":1})").empty());
    CHECK(faults("{}") ==
          "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found none valid\n"
          "spec.a: Required value\n");
    CHECK(faults(R"({"a":1,"b":"x"})") ==
          "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found 2 valid "
          "alternatives\n");
    CHECK(faults(R"({"a":1,"c":1})") ==
          "<nil>: Invalid value: \"\": \"spec\" must validate at least one schema (anyOf)\n"
          "spec.c: Invalid value: 1: spec.c in body should be greater than or equal to 5\n");
    CHECK(faults(R"({"b":"x","c":0})") == "<nil>: Invalid value: \"\": \"spec\" must not validate the schema (not)\n");
}

TEST_CASE("schemas must be structural") {
    const std::string at = "spec.versions[0].schema.openAPIV3Schema";
    CHECK(faults_of_schema("{}") == at + ".type: Required value: must not be empty at the root\n");
    CHECK(faults_of_schema(R"({"type":"array","items":{"type":"string"}})") ==
          at + ".type: Invalid value: \"array\": must be object at the root\n");
    CHECK(faults_of_schema(R"({"type":"object","properties":{"a":{}}})") ==
          at + ".properties[a].type: Required value: must not be empty for specified object fields\n");
    CHECK(faults_of_schema(R"({"type":"object","properties":{"a":{"type":"array","items":{}}}})") ==
          at + ".properties[a].items.type: Required value: must not be empty for specified array items\n");
    CHECK(faults_of_schema(R"({"type":"object","properties":{"a":{"type":"array"}}})") ==
          at + ".properties[a].items: Required value: must be specified\n");
    CHECK(faults_of_schema(R"({"type":"object","properties":{"a":{"type":"string","uniqueItems":true}}})") ==
          at + ".properties[a].uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity "
               "becomes quadratic\n");
    CHECK(
        faults_of_schema(
            R"({"type":"object","properties":{"a":{"type":"string"}},"anyOf":[{"properties":{"a":{"type":"string"}}}]})") ==
        at + ".anyOf[0].properties[a].type: Forbidden: must be empty to be structural\n");
    CHECK(faults_of_schema(R"({"type":"object","anyOf":[{"properties":{"a":{"minLength":1}}}]})") ==
          at + ".properties[a]: Required value: because it is defined in " + at + ".anyOf[0].properties[a]\n");
    CHECK(
        faults_of_schema(
            R"({"type":"object","properties":{"metadata":{"type":"object","properties":{"labels":{"type":"object"}}}}})") ==
        at + ".properties[metadata]: Forbidden: must not specify anything other than name and generateName, but "
             "metadata is implicitly specified\n");
    CHECK(faults_of_schema(R"({"type":"object","properties":{"a":{"type":"string","pattern":"("}}})") ==
          at + ".properties[a].pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error "
               "parsing regexp: missing closing ): `(`\n");
    CHECK(
        faults_of_schema(
            R"({"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"string"}},"default":{"c":1}}}})") ==
        at + ".properties[a].default: Invalid value: {\"c\":1}: must be pruned: unknown field \"c\"\n");
    CHECK(
        faults_of_schema(
            R"({"type":"object","properties":{"a":{"anyOf":[{"type":"integer"},{"type":"string"}],"x-kubernetes-int-or-string":true}}})")
            .empty());
    std::string deep = R"({"type":"object"})";
    for (int level = 0; level < 100; ++level) deep = R"({"type":"object","properties":{"a":)" + deep + "}}";
    CHECK(faults_of_schema(deep).ends_with("Forbidden: the schema is too deep\n"));
}

TEST_CASE("rules in CEL are told to be without effect") {
    auto made = compile(
        R"({"type":"object","properties":{"spec":{"type":"object","x-kubernetes-validations":[{"rule":"true"}]}}})");
    REQUIRE(made.definition);
    CHECK(made.findings.warnings ==
          std::vector<std::string>{
              "spec.versions[0].schema.openAPIV3Schema.properties[spec].x-kubernetes-validations: not evaluated yet"});
}

TEST_CASE("an object within an object") {
    auto made = compile(R"({"type":"object","properties":{"pod":{"type":"object","x-kubernetes-embedded-resource":true,
        "x-kubernetes-preserve-unknown-fields":true}}})");
    REQUIRE_MESSAGE(made.definition, joined(made.findings.causes));
    codec::Faults faults;
    auto object = completed(made, R"({"pod":{"metadata":{"name":"a","odd":1},"spec":{"x":1}}})", &faults);
    CHECK(faults.unknown == std::vector<std::string>{"pod.metadata.odd"});
    CHECK(joined(custom::validate(object, made.kind())) ==
          "pod.apiVersion: Required value: must not be empty\npod.kind: Required value: must not be empty\n");
}

TEST_CASE("names go to who came first") {
    custom::Names first{"foos", "foo", "Foo", "FooList", {"f"}, {}};
    custom::Names second{"bars", "bar", "Foo", "BarList", {"f", "b"}, {"all"}};
    CHECK(custom::accept_names(first, {}, {}).reason.empty());
    auto refused = custom::accept_names(second, {}, {first});
    CHECK(refused.reason == "KindConflict");
    CHECK(refused.message == "\"Foo\" is already in use");
    CHECK(refused.names.plural == "bars");
    CHECK(refused.names.kind.empty());
    CHECK(refused.names.short_names.empty());

    auto tree = json::parse(definition_text(R"({"type":"object"})"));
    auto& object = tree.as_object();
    custom::write_status(object, refused, "2025-01-01T00:00:00Z");
    CHECK_FALSE(custom::is_established(object));
    custom::write_status(object, custom::accept_names(second, refused.names, {}), "2025-01-02T00:00:00Z");
    CHECK(custom::is_established(object));
    const auto once = object;
    custom::write_status(object, custom::accept_names(second, second, {}), "2025-01-03T00:00:00Z");
    CHECK(object == once);
    CHECK(object.at("status").at("storedVersions") == json::parse(R"(["v1"])"));
}
