// SPDX-License-Identifier: Apache-2.0
// Cells of what makes pods: deployments, sets, jobs, templates.
#include <fmt/core.h>

#include "cluster/table/age.h"
#include "cluster/table/code_internal.h"
#include "cluster/table/labels_internal.h"

namespace pila::cluster::table {

namespace {

// The specification of the jobs that a cron job makes; of others their own.
View inner_spec(const Row& row) {
    View spec = row.object["spec"];
    View job = spec["jobTemplate"];
    return job ? job["spec"] : spec;
}

View pod_template(const Row& row) {
    if (View own = row.object["template"]) return own;  // PodTemplate
    return inner_spec(row)["template"];
}

std::string of_containers(const Row& row, std::string_view field) {
    Joined joined;
    for (View container : pod_template(row)["spec"]["containers"].list()) joined.add(container[field].text());
    return joined.text();
}

void template_containers(Row& row, Cell& cell) { cell.text(of_containers(row, "name")); }
void template_images(Row& row, Cell& cell) { cell.text(of_containers(row, "image")); }
void template_labels(Row& row, Cell& cell) { cell.text(labels_text(pod_template(row)["metadata"]["labels"])); }
void template_node_selector(Row& row, Cell& cell) { cell.text(labels_text(pod_template(row)["spec"]["nodeSelector"])); }

void label_selector(Row& row, Cell& cell) { cell.text(selector_text(inner_spec(row)["selector"])); }
void selector_map(Row& row, Cell& cell) { cell.text(labels_text(row.object["spec"]["selector"])); }

void ready_replicas(Row& row, Cell& cell) {
    cell.text(
        fmt::format("{}/{}", row.object["status"]["readyReplicas"].count(), row.object["spec"]["replicas"].count()));
}

void controller_owner(Row& row, Cell& cell) {
    for (View owner : row.object["metadata"]["ownerReferences"].list()) {
        if (!owner["controller"].is_true()) continue;
        auto version = owner["apiVersion"].text();
        auto slash = version.find('/');
        auto kind = to_lower(owner["kind"].text());
        if (slash != version.npos) kind += "." + to_lower(version.substr(0, slash));
        return cell.text(fmt::format("{}/{}", kind, owner["name"].text()));
    }
    cell.text("<none>");
}

void job_status(Row& row, Cell& cell) {
    View conditions = row.object["status"]["conditions"];
    auto has = [&](std::string_view type) { return has_true_condition(conditions, type); };
    if (has("Complete")) return cell.text("Complete");
    if (has("Failed")) return cell.text("Failed");
    if (row.object["metadata"]["deletionTimestamp"]) return cell.text("Terminating");
    if (has("Suspended")) return cell.text("Suspended");
    cell.text(has("FailureTarget") ? "FailureTarget" : "Running");
}

void job_completions(Row& row, Cell& cell) {
    auto succeeded = row.object["status"]["succeeded"].count();
    View spec = row.object["spec"];
    if (auto completions = spec["completions"].integer())
        return cell.text(fmt::format("{}/{}", succeeded, *completions));
    auto parallelism = spec["parallelism"].count();
    cell.text(parallelism > 1 ? fmt::format("{}/1 of {}", succeeded, parallelism) : fmt::format("{}/1", succeeded));
}

void job_duration(Row& row, Cell& cell) {
    auto started = read_time(row.object["status"]["startTime"].text());
    auto completed = read_time(row.object["status"]["completionTime"].text());
    cell.text(started ? short_duration(completed.value_or(row.now) - *started) : "");
}

void cron_job_suspend(Row& row, Cell& cell) {
    auto suspended = row.object["spec"]["suspend"].boolean();
    cell.text(!suspended ? "<unset>" : *suspended ? "True" : "False");
}

void cron_job_last_schedule(Row& row, Cell& cell) {
    View last = row.object["status"]["lastScheduleTime"];
    cell.text(last ? age_of(read_time(last.text()), row.now) : "<none>");
}

constexpr CodeCell cells[] = {
    {"template_containers", "Names of the containers in the pods it makes", template_containers},
    {"template_images", "Images of the containers in the pods it makes", template_images},
    {"template_labels", "Labels of the pods made from it", template_labels},
    {"template_node_selector", "Labels of the nodes that its pods may run on", template_node_selector},
    {"label_selector", "Labels of the pods that belong to it", label_selector},
    {"selector_map", "Labels of the pods that belong to it", selector_map},
    {"ready_replicas", "Pods that are ready, of all that are wanted", ready_replicas},
    {"controller_owner", "The object whose revision this is", controller_owner},
    {"job_status", "Whether the job runs, waits or has ended, and how", job_status},
    {"job_completions", "Pods that have succeeded, of all that have to", job_completions},
    {"job_duration", "Time from the start to the end, or until now", job_duration},
    {"cron_job_suspend", "Whether no new jobs are started", cron_job_suspend},
    {"cron_job_last_schedule", "How long ago a job was last started", cron_job_last_schedule},
};

}  // namespace

std::span<const CodeCell> workload_cells() { return cells; }

}  // namespace pila::cluster::table
