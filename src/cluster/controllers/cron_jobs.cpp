// SPDX-License-Identifier: Apache-2.0
// CronJobs: jobs at their times, as many side by side as wished, and old ones tidied away. Source:
// kube-controller-manager's pkg/controller/cronjob.
#include <algorithm>

#include <fmt/core.h>
#include <boost/json.hpp>

#include "cluster/codec/codec.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/claims.h"
#include "cluster/controllers/cron.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/job_look.h"

namespace pila::cluster::controllers {

namespace {

constexpr int too_many_missed = 100;

const schema::Kind& cron_kind() {
    static const auto& kind = kind_of("batch", "v1", "cronjobs");
    return kind;
}

bool is_over(const json::object& job) { return finished_condition(job) != nullptr; }
bool has_failed(const json::object& job) {
    const auto* end = finished_condition(job);
    return end && text_in(*end, "type") == "Failed";
}

class CronJobs : public Controller {
public:
    explicit CronJobs(const Means& means)
        : Controller(means, "cronjob-controller"), jobs_(means_.informers.of(job_kind())) {
        follow(cron_kind());
        follow_owned(means_.informers, means_.registry.state(), job_kind(), cron_kind(),
                     [this](const std::string& key) { enqueue(key); });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(cron_kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) return {};
        auto cron = TRY(std::move(got));
        if (is_going(cron)) return {};
        std::vector<json::object> jobs;
        for (const auto& object : jobs_.by("controller", text_in(cron, "metadata.uid"))) {
            auto job = Client::read(*object);
            if (job) jobs.push_back(job.take());
        }
        note_ended(cron, jobs);
        TRY(tidy(cron, jobs));
        auto started = flag_in(cron, "spec.suspend") ? Outcome<void>() : start_due(key, cron, jobs);
        TRY(write_status(cron));
        return started;
    }

private:
    // status.active has what runs: ended jobs leave it, and the last success is kept.
    void note_ended(json::object& cron, const std::vector<json::object>& jobs) {
        auto& status = make_object_in(cron, "status");
        json::array active;
        for (const auto& job : jobs) {
            if (!is_over(job)) {
                active.push_back(reference(job));
                continue;
            }
            if (is_active(status, text_in(job, "metadata.uid")))
                events_.normal(cron, "SawCompletedJob",
                               fmt::format("Saw completed job: {}, condition: {}", text_in(job, "metadata.name"),
                                           has_failed(job) ? "Failed" : "Complete"));
            if (!has_failed(job) && time_in(job, "status.completionTime") > time_in(status, "lastSuccessfulTime"))
                status["lastSuccessfulTime"] = text_in(job, "status.completionTime");
        }
        if (active.empty())
            status.erase("active");
        else
            status["active"] = std::move(active);
    }

    static bool is_active(const json::object& status, std::string_view uid) {
        const auto* list = list_in(status, "active");
        return list && std::any_of(list->begin(), list->end(), [&](const json::value& one) {
                   return one.is_object() && text_in(one.get_object(), "uid") == uid;
               });
    }

    static json::object reference(const json::object& job) {
        return {{"kind", "Job"},
                {"namespace", text_in(job, "metadata.namespace")},
                {"name", text_in(job, "metadata.name")},
                {"uid", text_in(job, "metadata.uid")},
                {"apiVersion", "batch/v1"},
                {"resourceVersion", text_in(job, "metadata.resourceVersion")}};
    }

    Outcome<void> tidy(const json::object& cron, const std::vector<json::object>& jobs) {
        for (bool failed : {false, true}) {
            auto member = failed ? "spec.failedJobsHistoryLimit" : "spec.successfulJobsHistoryLimit";
            if (!value_in(cron, member)) continue;
            std::vector<const json::object*> ended;
            for (const auto& job : jobs)
                if (is_over(job) && has_failed(job) == failed && !is_going(job)) ended.push_back(&job);
            std::sort(ended.begin(), ended.end(), [](const json::object* left, const json::object* right) {
                return std::pair(time_in(*left, "status.startTime"), text_in(*left, "metadata.name")) <
                       std::pair(time_in(*right, "status.startTime"), text_in(*right, "metadata.name"));
            });
            auto surplus = std::ssize(ended) - number_in(cron, member);
            for (std::ptrdiff_t index = 0; index < surplus; ++index) {
                TRY(client_.remove(job_kind(), *ended[static_cast<std::size_t>(index)]));
                events_.normal(
                    cron, "SuccessfulDelete",
                    fmt::format("Deleted job {}", text_in(*ended[static_cast<std::size_t>(index)], "metadata.name")));
            }
        }
        return {};
    }

    Outcome<void> start_due(const std::string& key, json::object& cron, const std::vector<json::object>& jobs) {
        auto zone = TimeZone::load(std::string(text_in(cron, "spec.timeZone")));
        auto schedule = Cron::parse(text_in(cron, "spec.schedule"));
        if (!zone || !schedule) {
            events_.warning(cron, zone ? "UnparseableSchedule" : "UnknownTimeZone",
                            zone ? schedule.error().message() : zone.error().message());
            return {};  // an update of the object comes here again
        }
        auto now = means_.now() / 1'000'000;
        auto due = last_due(cron, *schedule, *zone, now);
        if (auto next = schedule->next(now, *zone)) enqueue_after(key, *next - now);
        if (!due) return {};
        auto deadline = number_in(cron, "spec.startingDeadlineSeconds", -1);
        if (deadline >= 0 && *due + deadline < now) {
            events_.warning(cron, "MissSchedule", "Missed scheduled time to start a job: " + codec::format_time(*due));
            return {};
        }
        auto policy = text_in(cron, "spec.concurrencyPolicy");
        bool runs = list_in(cron, "status.active") != nullptr;
        if (policy == "Forbid" && runs) {
            events_.normal(cron, "JobAlreadyActive",
                           "Not starting job because prior execution is running and "
                           "concurrency policy is Forbid");
            return {};
        }
        if (policy == "Replace" && runs) {
            for (const auto& job : jobs)
                if (!is_over(job)) TRY(client_.remove(job_kind(), job));
            make_object_in(cron, "status").erase("active");
        }
        return start(cron, *due);
    }

    // The newest time that has come and was not served; many that were missed are said, but only the newest counts.
    std::optional<std::int64_t> last_due(const json::object& cron, const Cron& schedule, const TimeZone& zone,
                                         std::int64_t now) {
        auto since = time_in(cron, "status.lastScheduleTime");
        if (since == 0) since = time_in(cron, "metadata.creationTimestamp");
        since /= 1'000'000;
        if (auto deadline = number_in(cron, "spec.startingDeadlineSeconds", -1); deadline >= 0)
            since = std::max(since, now - deadline - 1);
        std::optional<std::int64_t> due;
        int missed = 0;
        for (auto next = schedule.next(since, zone); next && *next <= now; next = schedule.next(*next, zone)) {
            due = next;
            if (++missed == too_many_missed) break;
        }
        if (missed < too_many_missed) return due;
        events_.warning(
            cron, "TooManyMissedTimes",
            "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew");
        // Backwards in steps of growing size, so that a minute's schedule of a year ago costs no half a million steps.
        for (std::int64_t back = 60; now - back > since; back *= 2)
            if (auto next = schedule.next(now - back, zone); next && *next <= now) {
                for (due = next; next && *next <= now; next = schedule.next(*next, zone)) due = next;
                break;
            }
        return due;
    }

    Outcome<void> start(json::object& cron, std::int64_t due) {
        auto name = fmt::format("{}-{}", text_in(cron, "metadata.name"), due / 60);
        json::object job;
        auto& metadata = make_object_in(job, "metadata");
        for (auto member : {"labels", "annotations"})
            if (const auto* given = value_in(cron, std::string("spec.jobTemplate.metadata.") + member))
                metadata[member] = *given;
        make_object_in(metadata, "annotations")["batch.kubernetes.io/cronjob-scheduled-timestamp"] =
            codec::format_time(due);
        metadata["name"] = name;
        metadata["namespace"] = text_in(cron, "metadata.namespace");
        metadata["ownerReferences"] = json::array{json::value(reference_to(cron, cron_kind()))};
        if (const auto* spec = value_in(cron, "spec.jobTemplate.spec")) job["spec"] = *spec;
        auto made = client_.create(job_kind(), std::move(job));
        if (!made && made.error().reason != "AlreadyExists") {
            if (made.error().code == 403) return {};  // its namespace ends
            events_.warning(cron, "FailedCreate", "Error creating job: " + made.error().message);
            return made.take_error();
        }
        auto& status = make_object_in(cron, "status");
        status["lastScheduleTime"] = codec::format_time(due);
        if (!made) return {};
        events_.normal(cron, "SuccessfulCreate", "Created job " + name);
        auto& active = status["active"];
        if (!active.is_array()) active.emplace_array();
        active.get_array().push_back(reference(*made));
        return {};
    }

    Outcome<void> write_status(const json::object& cron) {
        auto live = client_.get(cron_kind(), std::string(text_in(cron, "metadata.namespace")),
                                std::string(text_in(cron, "metadata.name")));
        if (!live) return is_not_found(live.error()) ? Outcome<void>() : live.take_error();
        const auto* before = object_in(*live, "status");
        const auto* after = object_in(cron, "status");
        if (before ? *before == *after : after->empty()) return {};
        auto written = client_.update_status(cron_kind(), cron);
        return written || is_not_found(written.error()) ? Outcome<void>() : written.take_error();
    }

    Informer& jobs_;
};

}  // namespace

std::unique_ptr<Controller> make_cron_jobs(const Means& means) { return std::make_unique<CronJobs>(means); }

}  // namespace pila::cluster::controllers
