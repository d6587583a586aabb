// SPDX-License-Identifier: Apache-2.0
#include "cluster/convert/convert.h"

#include <doctest/doctest.h>
#include <boost/json.hpp>

#include "cluster/schema/catalogue.h"

namespace pila::cluster::convert {
namespace {

const schema::Kind& kind_of(std::string_view group, std::string_view version, std::string_view kind) {
    return *schema::Catalogue::builtin().find_kind({std::string(group), std::string(version)}, kind);
}

json::object stored(std::string_view text, const schema::Kind& kind) {
    auto object = json::parse(text).as_object();
    to_stored(object, kind);
    return object;
}

json::object shown(std::string_view text, const schema::Kind& kind) {
    auto object = json::parse(text).as_object();
    from_stored(object, kind);
    return object;
}

TEST_CASE("which kinds are shapes of others") {
    CHECK(&stored_kind(kind_of("", "v1", "Pod")) == &kind_of("", "v1", "Pod"));
    CHECK(&stored_kind(kind_of("events.k8s.io", "v1", "Event")) == &kind_of("", "v1", "Event"));
    CHECK(&stored_kind(kind_of("autoscaling", "v1", "HorizontalPodAutoscaler")) ==
          &kind_of("autoscaling", "v2", "HorizontalPodAutoscaler"));
}

TEST_CASE("events") {
    const auto& kind = kind_of("events.k8s.io", "v1", "Event");
    const auto text = R"({"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e"},"note":"it fell",
        "regarding":{"kind":"Pod","name":"p"},"reportingController":"c","reportingInstance":"i","action":"Fall",
        "reason":"Gravity","eventTime":"2026-01-01T00:00:00.000000Z","deprecatedCount":3,
        "deprecatedSource":{"component":"old"},"deprecatedFirstTimestamp":"2026-01-01T00:00:00Z",
        "deprecatedLastTimestamp":"2026-01-02T00:00:00Z","series":{"count":2},"related":{"kind":"Node"}})";
    auto kept = stored(text, kind);
    CHECK(kept.at("apiVersion") == "v1");
    CHECK(kept.at("message") == "it fell");
    CHECK(kept.at("involvedObject").at("name") == "p");
    CHECK(kept.at("reportingComponent") == "c");
    CHECK(kept.at("source").at("component") == "old");
    CHECK(kept.at("count") == 3);
    CHECK_FALSE(kept.contains("note"));
    from_stored(kept, kind);
    CHECK(kept == json::parse(text));
    CHECK(shown(R"({"message":"x"})", kind).at("eventTime").is_null());
    CHECK(stored_field(kind, "regarding.fieldPath") == "involvedObject.fieldPath");
    CHECK(stored_field(kind, "reportingController") == "reportingComponent");
    CHECK(stored_field(kind, "reason") == "reason");
}

TEST_CASE("autoscalers: processors alone") {
    const auto& kind = kind_of("autoscaling", "v1", "HorizontalPodAutoscaler");
    auto kept = stored(R"({"spec":{"maxReplicas":5,"minReplicas":1,"targetCPUUtilizationPercentage":70}})", kind);
    CHECK(kept.at("apiVersion") == "autoscaling/v2");
    CHECK(kept.at("spec") == json::parse(R"({"maxReplicas":5,"minReplicas":1,"metrics":[{"type":"Resource",
        "resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":70}}}]})"));
    from_stored(kept, kind);
    CHECK(kept.at("spec") == json::parse(R"({"maxReplicas":5,"minReplicas":1,"targetCPUUtilizationPercentage":70})"));
    CHECK_FALSE(kept.contains("metadata"));
}

TEST_CASE("autoscalers: without any wish the stored shape's default holds") {
    const auto& kind = kind_of("autoscaling", "v1", "HorizontalPodAutoscaler");
    auto kept = stored(R"({"spec":{"maxReplicas":5}})", kind);
    CHECK(kept.at("spec").at("metrics").at(0).at("resource").at("target").at("averageUtilization") == 80);
}

TEST_CASE("autoscalers: what v1 has no field for goes through annotations") {
    const auto& kind = kind_of("autoscaling", "v1", "HorizontalPodAutoscaler");
    const auto text = R"({"apiVersion":"autoscaling/v2","metadata":{"annotations":{"mine":"x"}},
        "spec":{"maxReplicas":5,"minReplicas":2,"behavior":{"scaleUp":{"stabilizationWindowSeconds":0,
            "selectPolicy":"Max","policies":[{"type":"Pods","value":4,"periodSeconds":15}]},
            "scaleDown":{"selectPolicy":"Max","policies":[{"type":"Percent","value":100,"periodSeconds":15}]}},
          "metrics":[
            {"type":"Resource","resource":{"name":"memory","target":{"type":"AverageValue","averageValue":"1Gi"}}},
            {"type":"Pods","pods":{"metric":{"name":"hits","selector":{"matchLabels":{"a":"b"}}},
                "target":{"type":"AverageValue","averageValue":"10"}}},
            {"type":"Object","object":{"describedObject":{"kind":"Ingress","name":"i"},"metric":{"name":"rps"},
                "target":{"type":"Value","value":"2k"}}},
            {"type":"External","external":{"metric":{"name":"queue"},"target":{"type":"AverageValue","averageValue":"30"}}},
            {"type":"ContainerResource","containerResource":{"name":"cpu","container":"web",
                "target":{"type":"Utilization","averageUtilization":60}}},
            {"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]},
        "status":{"currentReplicas":2,"desiredReplicas":3,
          "currentMetrics":[{"type":"Resource","resource":{"name":"cpu","current":{"averageUtilization":45,"averageValue":"90m"}}}],
          "conditions":[{"type":"AbleToScale","status":"True"}]}})";
    auto object = shown(text, kind);
    const auto& notes = object.at("metadata").at("annotations").as_object();
    CHECK(json::parse(notes.at("autoscaling.alpha.kubernetes.io/metrics").as_string()).at(1) ==
          json::parse(R"({"type":"Pods","pods":{"metricName":"hits","selector":{"matchLabels":{"a":"b"}},
              "targetAverageValue":"10"}})"));
    CHECK(notes.at("autoscaling.alpha.kubernetes.io/behavior").as_string().find("\"PeriodSeconds\":15") !=
          std::string::npos);
    CHECK(object.at("spec").at("targetCPUUtilizationPercentage") == 50);
    CHECK(object.at("status").at("currentCPUUtilizationPercentage") == 45);
    CHECK_FALSE(object.at("spec").as_object().contains("metrics"));
    CHECK_FALSE(object.at("status").as_object().contains("conditions"));
    to_stored(object, kind);
    CHECK(object == json::parse(text));
}

TEST_CASE("autoscalers: annotations are anybody's text") {
    const auto& kind = kind_of("autoscaling", "v1", "HorizontalPodAutoscaler");
    for (std::string_view note : {"no json", "{}", "[1,[2],{}]", "[{\"type\":5,\"resource\":7}]", "null"}) {
        json::object object{{"spec", {{"maxReplicas", 1}, {"targetCPUUtilizationPercentage", 9}}}};
        object["metadata"] = json::object{
            {"annotations",
             {{"autoscaling.alpha.kubernetes.io/metrics", note}, {"autoscaling.alpha.kubernetes.io/behavior", note}}}};
        to_stored(object, kind);
        CHECK_FALSE(object.at("metadata").as_object().contains("annotations"));
        CHECK_FALSE(object.at("spec").at("metrics").as_array().empty());
    }
}

}  // namespace
}  // namespace pila::cluster::convert
