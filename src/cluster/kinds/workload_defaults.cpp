// SPDX-License-Identifier: Apache-2.0
// Defaults of controllers of pods: apps, batch, autoscaling, the old ReplicationController.
#include <cstdint>
#include <limits>

#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

json::object* spec_of(json::object& object) { return object_at(object, "spec"); }

// A copy of the template's labels, where the object has none of its own.
void labels_from_template(json::object& object, const json::object& spec) {
    const auto* labels = object_at(spec, "template.metadata.labels");
    if (!labels || labels->empty() || has_items(object, "metadata.labels")) return;
    json::value copy(*labels, object.storage());
    if (auto* metadata = make_object(object, "metadata")) metadata->insert_or_assign("labels", std::move(copy));
}

void replication_controller(json::object& value) {
    auto* spec = spec_of(value);
    if (!spec) return;
    set_absent(*spec, "replicas", 1);
    const auto* labels = object_at(*spec, "template.metadata.labels");
    if (labels && !labels->empty() && !has_items(*spec, "selector")) {
        json::value copy(*labels, value.storage());
        spec->insert_or_assign("selector", std::move(copy));
    }
    labels_from_template(value, *spec);
}

void replica_set(json::object& value) {
    if (auto* spec = spec_of(value)) set_absent(*spec, "replicas", 1);
}

void deployment(json::object& value) {
    auto* spec = spec_of(value);
    if (!spec) return;
    set_absent(*spec, "replicas", 1);
    set_absent(*spec, "revisionHistoryLimit", 10);
    set_absent(*spec, "progressDeadlineSeconds", 600);
    auto* strategy = make_object(*spec, "strategy");
    if (!strategy) return;
    set_empty(*strategy, "type", "RollingUpdate");
    if (text_at(*strategy, "type") != "RollingUpdate") return;
    if (auto* rolling = make_object(*strategy, "rollingUpdate")) {
        set_absent(*rolling, "maxUnavailable", "25%");
        set_absent(*rolling, "maxSurge", "25%");
    }
}

void daemon_set(json::object& value) {
    auto* spec = spec_of(value);
    if (!spec) return;
    set_absent(*spec, "revisionHistoryLimit", 10);
    auto* strategy = make_object(*spec, "updateStrategy");
    if (!strategy) return;
    set_empty(*strategy, "type", "RollingUpdate");
    if (text_at(*strategy, "type") != "RollingUpdate") return;
    if (auto* rolling = make_object(*strategy, "rollingUpdate")) {
        set_absent(*rolling, "maxUnavailable", 1);
        set_absent(*rolling, "maxSurge", 0);
    }
}

void stateful_set(json::object& value) {
    auto* spec = spec_of(value);
    if (!spec) return;
    set_empty(*spec, "podManagementPolicy", "OrderedReady");
    set_absent(*spec, "replicas", 1);
    set_absent(*spec, "revisionHistoryLimit", 10);
    if (auto* strategy = make_object(*spec, "updateStrategy")) {
        set_empty(*strategy, "type", "RollingUpdate");
        if (text_at(*strategy, "type") == "RollingUpdate")
            if (auto* rolling = make_object(*strategy, "rollingUpdate")) set_absent(*rolling, "partition", 0);
    }
    if (auto* retention = make_object(*spec, "persistentVolumeClaimRetentionPolicy")) {
        set_empty(*retention, "whenDeleted", "Retain");
        set_empty(*retention, "whenScaled", "Retain");
    }
    each_object(list_at(*spec, "volumeClaimTemplates"), [](json::object& claim) {
        claim.insert_or_assign("apiVersion", "v1");
        claim.insert_or_assign("kind", "PersistentVolumeClaim");
    });
}

void job(json::object& value) {
    auto* spec = spec_of(value);
    if (!spec) return;
    // With neither it is one pod; with parallelism alone it is a queue of work.
    if (!has(*spec, "completions") && !has(*spec, "parallelism")) set_absent(*spec, "completions", 1);
    set_absent(*spec, "parallelism", 1);
    const bool per_index = has(*spec, "backoffLimitPerIndex");
    set_absent(*spec, "backoffLimit", per_index ? std::numeric_limits<std::int32_t>::max() : 6);
    set_empty(*spec, "completionMode", "NonIndexed");
    set_absent(*spec, "suspend", false);
    set_empty(*spec, "podReplacementPolicy", has(*spec, "podFailurePolicy") ? "Failed" : "TerminatingOrFailed");
    labels_from_template(value, *spec);
}

void failure_condition(json::object& value) { set_empty(value, "status", "True"); }

void cron_job(json::object& value) {
    auto* spec = spec_of(value);
    if (!spec) return;
    set_empty(*spec, "concurrencyPolicy", "Allow");
    set_absent(*spec, "suspend", false);
    set_absent(*spec, "successfulJobsHistoryLimit", 3);
    set_absent(*spec, "failedJobsHistoryLimit", 1);
}

json::object scaling_policy(std::string_view type, int amount) {
    return {{"type", type}, {"value", amount}, {"periodSeconds", 15}};
}

void behavior(json::object& value) {
    if (auto* up = make_object(value, "scaleUp")) {
        set_absent(*up, "stabilizationWindowSeconds", 0);
        set_empty(*up, "selectPolicy", "Max");
        set_absent(*up, "policies", json::array{scaling_policy("Pods", 4), scaling_policy("Percent", 100)});
    }
    if (auto* down = make_object(value, "scaleDown")) {
        set_empty(*down, "selectPolicy", "Max");
        set_absent(*down, "policies", json::array{scaling_policy("Percent", 100)});
    }
}

void autoscaler(json::object& value) {
    auto* spec = spec_of(value);
    if (!spec) return;
    set_absent(*spec, "minReplicas", 1);
    if (has_items(*spec, "metrics")) return;
    const json::object target{{"type", "Utilization"}, {"averageUtilization", 80}};
    const json::object resource{{"name", "cpu"}, {"target", target}};
    spec->insert_or_assign("metrics", json::array{json::object{{"type", "Resource"}, {"resource", resource}}});
}

void autoscaler_v1(json::object& value) {
    auto* spec = spec_of(value);
    if (!spec) return;
    set_absent(*spec, "minReplicas", 1);
    const auto* notes = object_at(value, "metadata.annotations");
    if (!notes || !has(*notes, "autoscaling.alpha.kubernetes.io/metrics"))
        set_absent(*spec, "targetCPUUtilizationPercentage", 80);
}

constexpr DefaultRow rows[] = {
    {"apps.v1.DaemonSet", daemon_set},
    {"apps.v1.Deployment", deployment},
    {"apps.v1.ReplicaSet", replica_set},
    {"apps.v1.StatefulSet", stateful_set},
    {"autoscaling.v1.HorizontalPodAutoscaler", autoscaler_v1},
    {"autoscaling.v2.HorizontalPodAutoscaler", autoscaler},
    {"autoscaling.v2.HorizontalPodAutoscalerBehavior", behavior},
    {"batch.v1.CronJob", cron_job},
    {"batch.v1.Job", job},
    {"batch.v1.PodFailurePolicyOnPodConditionsPattern", failure_condition},
    {"core.v1.ReplicationController", replication_controller},
};

}  // namespace

std::span<const DefaultRow> workload_defaults() { return rows; }

}  // namespace pila::cluster::kinds
