// SPDX-License-Identifier: Apache-2.0
// Jobs, and jobs on a schedule.
#include <algorithm>
#include <limits>
#include <set>

#include <fmt/format.h>

#include "cluster/kinds/names.h"
#include "cluster/kinds/rules.h"
#include "cluster/kinds/schedule.h"
#include "cluster/kinds/tree.h"

namespace pila::cluster::kinds {

namespace {

void check_indexed(const json::object& spec, const Path& path, Report& report) {
    const bool is_indexed = text_at(spec, "completionMode") == "Indexed";
    if (is_indexed && !has(spec, "completions"))
        report.required(path.field("completions"), "when completion mode is Indexed");
    const auto parallel = integer_at(spec, "parallelism").value_or(0);
    if (is_indexed && parallel > 100'000)
        report.invalid_number(path.field("parallelism"), parallel,
                              "must be less than or equal to 100000 when completion mode is Indexed");
    if (is_indexed) return;
    if (has(spec, "backoffLimitPerIndex"))
        report.invalid(path.field("backoffLimitPerIndex"), *find(spec, "backoffLimitPerIndex"),
                       "requires indexed completion mode");
    if (has(spec, "maxFailedIndexes"))
        report.invalid(path.field("maxFailedIndexes"), *find(spec, "maxFailedIndexes"),
                       "requires indexed completion mode");
    if (has(spec, "successPolicy"))
        report.invalid(path.field("successPolicy"), *find(spec, "successPolicy"), "requires indexed completion mode");
}

void check_template(const json::object& spec, const Path& path, Report& report) {
    const auto* pod = object_at(spec, "template.spec");
    if (!pod) return;
    const auto restart = text_at(*pod, "restartPolicy");
    const Path at = path.field("template.spec.restartPolicy");
    if (restart == "Always") report.required(at, "valid values: \"OnFailure\", \"Never\"");
    if (has(spec, "podFailurePolicy") && restart != "Never")
        report.invalid(at, restart, "only \"Never\" is supported when podFailurePolicy is specified");
    const auto replacement = text_at(spec, "podReplacementPolicy");
    if (has(spec, "podFailurePolicy") && replacement == "TerminatingOrFailed")
        report.not_supported(path.field("podReplacementPolicy"), replacement, {"Failed"});
}

void job_spec(const json::object& value, const Path& path, Report& report) {
    for (auto name : {"parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
                      "backoffLimitPerIndex", "maxFailedIndexes"})
        report.not_negative(value, name, path);
    const auto manager = text_at(value, "managedBy");
    if (!manager.empty()) {
        if (manager.find('/') == std::string_view::npos)
            report.invalid(path.field("managedBy"), manager,
                           "must be a domain-prefixed path (such as \"acme.io/foo\")");
        if (manager.size() > 63) report.too_long(path.field("managedBy"), 63);
    }
    check_indexed(value, path, report);
    check_template(value, path, report);
}

// On a Job the server has put the selector in by now (prepare_for_create).
void job(const json::object& value, const Path& path, Report& report) {
    const auto* spec = object_at(value, "spec");
    if (!spec) return;
    const auto* selector = object_at(*spec, "selector");
    if (!selector) return;
    const auto* labels = object_at(*spec, "template.metadata.labels");
    if (!is_selected(selector, labels))
        report.invalid(path.field("spec.template.metadata.labels"), labels ? json::value(*labels) : json::value(),
                       "`selector` does not match template `labels`");
}

void exit_codes(const json::object& value, const Path& path, Report& report) {
    const auto* values = list_at(value, "values");
    const Path at = path.field("values");
    if (!values || values->empty())
        return report.invalid(at, values ? json::value(*values) : json::value(json::array()),
                              "at least one value is required");
    if (values->size() > 255) report.too_many(at, values->size(), 255);
    std::int64_t last = -1;
    std::set<std::int64_t> seen;
    for (std::size_t i = 0; i < values->size(); ++i) {
        const auto code = integer_of((*values)[i]).value_or(0);
        if (text_at(value, "operator") == "In" && code == 0)
            report.invalid_number(at.item(i), code, "must not be 0 for the In operator");
        if (!seen.insert(code).second)
            report.duplicate(at.item(i), (*values)[i]);
        else if (code < last)
            return report.invalid(at, json::value(*values), "must be ordered");
        last = std::max(last, code);
    }
}

void failure_rule(const json::object& value, const Path& path, Report& report) {
    const auto* codes = object_at(value, "onExitCodes");
    const bool conditions = has_items(value, "onPodConditions");
    if (codes && conditions)
        report.invalid(path, json::value(value), "specifying both OnExitCodes and OnPodConditions is not supported");
    if (!codes && !conditions)
        report.invalid(path, json::value(value), "specifying one of OnExitCodes and OnPodConditions is required");
}

void failure_condition(const json::object& value, const Path& path, Report& report) {
    if (const auto type = text_at(value, "type"); !type.empty())
        report.each_invalid(path.field("type"), type, qualified_name(type));
}

void failure_policy(const json::object& value, const Path& path, Report& report) {
    const auto* rules = list_at(value, "rules");
    if (rules && rules->size() > 20) report.too_many(path.field("rules"), rules->size(), 20);
}

void success_rule(const json::object& value, const Path& path, Report& report) {
    if (!has(value, "succeededCount") && !has(value, "succeededIndexes"))
        report.required(path, "at least one of succeededCount or succeededIndexes must be specified");
    report.not_negative(value, "succeededCount", path);
}

void cron_job_spec(const json::object& value, const Path& path, Report& report) {
    const auto schedule = text_at(value, "schedule"), zone = text_at(value, "timeZone");
    const Path at = path.field("schedule");
    if (const auto fault = schedule_fault(schedule); !schedule.empty() && !fault.empty())
        report.invalid(at, schedule, fault);
    if (schedule.find("TZ") != std::string_view::npos) {
        constexpr std::string_view use_field = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        report.invalid(at, schedule, use_field);
    }
    for (auto name : {"startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"})
        report.not_negative(value, name, path);
    if (has(value, "timeZone")) check_time_zone(zone, path.field("timeZone"), report);
    const auto* job = object_at(value, "jobTemplate.spec");
    if (!job) return;
    const Path spec = path.field("jobTemplate.spec");
    if (has(*job, "selector"))
        report.invalid(spec.field("selector"), *find(*job, "selector"), "`selector` will be auto-generated");
    if (flag_at(*job, "manualSelector")) report.not_supported(spec.field("manualSelector"), "true", {"nil", "false"});
}

constexpr CheckRow rows[] = {
    {"batch.v1.CronJobSpec", cron_job_spec},
    {"batch.v1.Job", job},
    {"batch.v1.JobSpec", job_spec},
    {"batch.v1.PodFailurePolicy", failure_policy},
    {"batch.v1.PodFailurePolicyOnExitCodesRequirement", exit_codes},
    {"batch.v1.PodFailurePolicyOnPodConditionsPattern", failure_condition},
    {"batch.v1.PodFailurePolicyRule", failure_rule},
    {"batch.v1.SuccessPolicyRule", success_rule},
};

}  // namespace

std::span<const CheckRow> job_checks() { return rows; }

}  // namespace pila::cluster::kinds
