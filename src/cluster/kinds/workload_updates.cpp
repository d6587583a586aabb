// SPDX-License-Identifier: Apache-2.0
// What of controllers of pods may not change.
#include "cluster/kinds/rules.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void selector(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "spec.selector");
}

void stateful_set(const json::object& now, const json::object& old, Report& report) {
    const auto *after = object_at(now, "spec"), *before = object_at(old, "spec");
    if (!after || !before) return;
    if (is_same(*after, *before,
                {"replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
                 "persistentVolumeClaimRetentionPolicy", "minReadySeconds"}))
        return;
    report.forbidden(Path("spec"),
                     "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
                     "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
                     "'minReadySeconds' are forbidden");
}

// While it is suspended and has not run, its pods may still be told where to run.
bool is_open(const json::object& job) {
    const auto *spec = object_at(job, "spec"), *status = object_at(job, "status");
    return spec && flag_at(*spec, "suspend") && (!status || !has(*status, "startTime"));
}

bool same_template(const json::object& now, const json::object& old, bool open) {
    const auto *after = object_at(now, "spec.template"), *before = object_at(old, "spec.template");
    if (!after || !before) return after == before;
    if (!open) return is_same(*after, *before);
    const auto *pod = object_at(*after, "spec"), *old_pod = object_at(*before, "spec");
    return is_same(*after, *before, {"spec", "metadata"}) &&
           (!pod || !old_pod ||
            is_same(*pod, *old_pod, {"nodeSelector", "affinity", "tolerations", "schedulingGates"}));
}

void job(const json::object& now, const json::object& old, Report& report) {
    for (auto name : {"spec.selector", "spec.podFailurePolicy", "spec.backoffLimitPerIndex", "spec.completionMode",
                      "spec.managedBy", "spec.successPolicy"})
        report.unchanged(now, old, name);
    const auto* spec = object_at(now, "spec");
    if (!spec) return;
    if (!same_template(now, old, is_open(old))) {
        const auto* pods = find(*spec, "template");
        report.invalid(Path("spec.template"), pods ? *pods : json::value(), "field is immutable");
    }
    // An indexed job is made larger or smaller by changing both.
    const bool is_elastic = text_at(*spec, "completionMode") == "Indexed" &&
                            integer_at(*spec, "completions") == integer_at(*spec, "parallelism");
    if (!is_elastic) report.unchanged(now, old, "spec.completions");
}

void controller_revision(const json::object& now, const json::object& old, Report& report) {
    report.unchanged(now, old, "data");
}

constexpr UpdateRow rows[] = {
    {"apps.v1.ControllerRevision", controller_revision},
    {"apps.v1.DaemonSet", selector},
    {"apps.v1.Deployment", selector},
    {"apps.v1.ReplicaSet", selector},
    {"apps.v1.StatefulSet", stateful_set},
    {"batch.v1.Job", job},
};

}  // namespace

std::span<const UpdateRow> workload_updates() { return rows; }

}  // namespace pila::cluster::kinds
