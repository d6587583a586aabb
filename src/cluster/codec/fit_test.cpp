// SPDX-License-Identifier: Apache-2.0
#include "cluster/codec/test_support_internal.h"

using namespace pila;
using namespace pila::cluster::codec;

namespace {

std::string fitted(std::string_view text, std::string_view api_version = "v1", std::string_view kind = "Pod",
                   Faults* faults = nullptr) {
    auto value = parsed(text);
    Faults own;
    auto done = fit(value, node_of(api_version, kind), faults ? *faults : own);
    return done.ok() ? json::serialize(value) : done.error().message();
}

std::string defaulted(std::string_view text, std::string_view api_version = "v1", std::string_view kind = "Pod") {
    auto value = parsed(text);
    apply_defaults(value, node_of(api_version, kind));
    return json::serialize(value);
}

std::string canonical(std::string_view text, std::string_view api_version = "v1", std::string_view kind = "Pod") {
    auto value = parsed(text);
    auto done = canonicalize(value, node_of(api_version, kind));
    return done.ok() ? json::serialize(value) : done.error().message();
}

}  // namespace

TEST_CASE("fields that the schema does not have go, and their places are told") {
    Faults faults;
    CHECK(
        fitted(R"({"x":1,"metadata":{"name":"a","labels":{"any":"thing"},"nme":2},"spec":{"containers":[{"name":"a"},)"
               R"({"imge":"x","name":"b","env":[{"name":"c","valu":"d"}]}],"z":{"deep":1}}})",
               "v1", "Pod", &faults) ==
        R"({"metadata":{"name":"a","labels":{"any":"thing"}},"spec":{"containers":[{"name":"a"},{"name":"b","env":[{"name":"c"}]}]}})");
    CHECK(faults.unknown == std::vector<std::string>{"x", "metadata.nme", "spec.containers[1].imge",
                                                     "spec.containers[1].env[0].valu", "spec.z"});
    CHECK(faults.duplicate.empty());
    json::object many;
    for (int at = 0; at < 100'000; ++at) many[fmt::format("k{}", at)] = at;
    Faults bounded;
    CHECK(fitted(json::serialize(many), "v1", "Pod", &bounded) == "{}");
    CHECK(bounded.unknown.size() == 100);
}

TEST_CASE("a null is an absent field, and a zero within lists and maps") {
    CHECK(fitted(R"({"metadata":{"creationTimestamp":null,"labels":null},"spec":null})") == R"({"metadata":{}})");
    CHECK(
        fitted(
            R"({"spec":{"containers":[{"args":[null,"x"],"env":[null]}],"nodeSelector":{"a":null},"overhead":{"cpu":null}}})") ==
        R"({"spec":{"containers":[{"args":["","x"],"env":[{}]}],"nodeSelector":{"a":""},"overhead":{"cpu":"0"}}})");
}

TEST_CASE("wrong types are told as Go's decoding tells them") {
    const std::pair<std::string_view, std::string_view> cases[] = {
        // as kubectl 1.33 says
        {R"({"spec":{"terminationGracePeriodSeconds":"x"}})",
         "json: cannot unmarshal string into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64"},
        {R"({"spec":{"terminationGracePeriodSeconds":1.5}})",
         "json: cannot unmarshal number 1.5 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type "
         "int64"},
        {R"({"spec":{"terminationGracePeriodSeconds":1.0}})",
         "json: cannot unmarshal number 1.0 into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type "
         "int64"},
        {R"({"spec":{"priority":99999999999}})",
         "json: cannot unmarshal number 99999999999 into Go struct field PodSpec.spec.priority of type int32"},
        {R"({"spec":{"priority":-2147483649}})",
         "json: cannot unmarshal number -2147483649 into Go struct field PodSpec.spec.priority of type int32"},
        {R"({"spec":{"containers":"x"}})",
         "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container"},
        {R"({"spec":{"containers":[{"image":1}]}})",
         "json: cannot unmarshal number into Go struct field Container.spec.containers.image of type string"},
        {R"({"spec":{"containers":["x"]}})",
         "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container"},
        {R"({"spec":{"nodeSelector":{"a":1}}})",
         "json: cannot unmarshal number into Go struct field PodSpec.spec.nodeSelector of type string"},
        {R"({"spec":{"nodeSelector":[1]}})",
         "json: cannot unmarshal array into Go struct field PodSpec.spec.nodeSelector of type map[string]string"},
        {R"({"spec":{"hostNetwork":"true"}})",
         "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool"},
        {R"({"metadata":{"labels":{"a":true}}})",
         "json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels of type string"},
        {R"({"spec":[]})", "json: cannot unmarshal array into Go struct field Pod.spec of type v1.PodSpec"},
        {R"({"metadata":"x"})",
         "json: cannot unmarshal string into Go struct field Pod.metadata of type v1.ObjectMeta"},
        {R"({"metadata":{"creationTimestamp":5}})",
         "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"},
        {R"({"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":true}}}]}})",
         "json: cannot unmarshal bool into Go struct field HTTPGetAction.spec.containers.livenessProbe.httpGet.port of "
         "type int32"},
        {R"({"spec":{"containers":[{"livenessProbe":{"httpGet":{"port":99999999999}}}]}})",
         "json: cannot unmarshal number 99999999999 into Go struct field "
         "HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32"},
        {R"({"spec":{"containers":[{"args":[1]}]}})",
         "json: cannot unmarshal number into Go struct field Container.spec.containers.args of type string"},
        {R"({"spec":{"volumes":[{"emptyDir":"x"}]}})",
         "json: cannot unmarshal string into Go struct field Volume.spec.volumes.emptyDir of type "
         "v1.EmptyDirVolumeSource"},
        {R"([])", "json: cannot unmarshal array into Go value of type v1.Pod"},
    };
    for (const auto& [text, wanted] : cases) CHECK(fitted(text) == wanted);
    CHECK(fitted(R"({"metadata":{"creationTimestamp":"yesterday"}})").starts_with("parsing time \"yesterday\" as "));
    CHECK(fitted(R"({"data":{"a":"aG"}})", "v1", "Secret") == "illegal base64 data at input byte 2");
    CHECK(fitted(R"({"data":{"a":"a*=="}})", "v1", "Secret") == "illegal base64 data at input byte 1");
    CHECK(fitted(R"({"data":{"a":"a-=="}})", "v1", "Secret") == "illegal base64 data at input byte 1");
    CHECK(fitted(R"({"data":{"a":"aGk=aGk="}})", "v1", "Secret") == "illegal base64 data at input byte 4");
}

TEST_CASE("times and bytes are kept in one form") {
    CHECK(fitted(R"({"metadata":{"creationTimestamp":"2020-01-01T01:00:00.123+01:00"}})") ==
          R"({"metadata":{"creationTimestamp":"2020-01-01T00:00:00Z"}})");
    CHECK(fitted(R"({"spec":{"renewTime":"2020-01-01T00:00:00.1Z"}})", "coordination.k8s.io/v1", "Lease") ==
          R"({"spec":{"renewTime":"2020-01-01T00:00:00.100000Z"}})");
    CHECK(fitted(R"({"data":{"a":"aG\nk=\n"}})", "v1", "Secret") == R"({"data":{"a":"aGk="}})");
}

TEST_CASE("the schemas of custom resource definitions are walked through their unions") {
    constexpr std::string_view api = "apiextensions.k8s.io/v1", kind = "CustomResourceDefinition";
    auto crd = [](std::string_view schema) {
        return fmt::format(R"({{"spec":{{"versions":[{{"name":"v1","schema":{{"openAPIV3Schema":{}}}}}]}}}})", schema);
    };
    Faults faults;
    auto text =
        crd(R"({"type":"object","properties":{"a":{"type":"array","items":{"type":"string","default":{"any":1}}},)"
            R"("b":{"additionalProperties":{"x-kubernetes-int-or-string":true}},"c":{"additionalProperties":false,)"
            R"("enum":[1,"x",null]}}})");
    CHECK(fitted(text, api, kind, &faults) == text);
    CHECK(faults.empty());
    fitted(crd(R"({"properties":{"a":{"items":{"nope":1}},"b":{"additionalProperties":{"nope":1}}}})"), api, kind,
           &faults);
    CHECK(faults.unknown ==
          std::vector<std::string>{"spec.versions[0].schema.openAPIV3Schema.properties.a.items.nope",
                                   "spec.versions[0].schema.openAPIV3Schema.properties.b.additionalProperties.nope"});
    CHECK(fitted(crd(R"({"additionalProperties":"x"})"), api, kind).starts_with("json: cannot unmarshal string"));
}

TEST_CASE("defaults are put where fields are absent") {
    CHECK(
        defaulted(
            R"({"spec":{"containers":[{"image":"x","ports":[{"containerPort":80},{"containerPort":81,"protocol":"UDP"}]}]}})") ==
        R"({"spec":{"containers":[{"image":"x","ports":[{"containerPort":80,"protocol":"TCP"},{"containerPort":81,"protocol":"UDP"}],)"
        R"("name":"","resources":{}}]},"metadata":{},"status":{}})");
    auto twice = defaulted(defaulted("{}"));
    CHECK(twice == defaulted("{}"));
    CHECK(defaulted(R"({"spec":[1],"metadata":3})") == R"({"spec":[1],"metadata":3,"status":{}})");
}

TEST_CASE("amounts are made canonical wherever the schema has one") {
    CHECK(
        canonical(
            R"({"spec":{"containers":[{"resources":{"limits":{"cpu":"1000m","memory":0.5,"x":1e3,"y":5}}}],"overhead":{"cpu":"0.1"},)"
            R"("volumes":[{"emptyDir":{"sizeLimit":"1024Mi"}}],"nodeSelector":{"cpu":"1000m"}}})") ==
        R"({"spec":{"containers":[{"resources":{"limits":{"cpu":"1","memory":"500m","x":"1k","y":"5"}}}],"overhead":{"cpu":"100m"},)"
        R"("volumes":[{"emptyDir":{"sizeLimit":"1Gi"}}],"nodeSelector":{"cpu":"1000m"}}})");
    CHECK(canonical(R"({"spec":{"containers":[{},{"resources":{"limits":{"cpu":"1x"}}}]}})") ==
          "spec.containers[1].resources.limits.cpu: \"1x\": quantities must match the regular expression "
          "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

TEST_CASE("times are read with any offset and fraction, and written in UTC") {
    auto micro = [](std::string_view text) {
        auto time = parse_time(text);
        REQUIRE_MESSAGE(time.ok(), message_of(time));
        return *time;
    };
    CHECK(micro("1970-01-01T00:00:00Z") == 0);
    CHECK(micro("2026-11-01T10:00:00.5Z") == 1'793'527'200'500'000);
    CHECK(micro("2026-11-01T12:30:00.123456789+02:30") == 1'793'527'200'123'456);
    CHECK(micro("1969-12-31T23:59:59.999999Z") == -1);
    CHECK(format_micro_time(-1) == "1969-12-31T23:59:59.999999Z");
    CHECK(format_time(-1) == "1969-12-31T23:59:59Z");
    for (std::string_view text : {"0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2000-02-29T12:34:56Z"})
        CHECK(format_time(micro(text) / 1'000'000) == text);
    for (std::string_view text :
         {"", "2026-11-01", "2026-11-01T10:00:00", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
          "2026-11-01T24:00:00Z", "2026-11-01T10:60:00Z", "2026-11-01T10:00:61Z", "2026-11-01T10:00:00.Z",
          "2026-11-01 10:00:00Z", "2026-11-01T10:00:00Zx", "2026-11-01T10:00:00+0200", "26-11-01T10:00:00Z"})
        CHECK_MESSAGE(!parse_time(text).ok(), std::string(text));
}
