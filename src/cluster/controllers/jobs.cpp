// SPDX-License-Identifier: Apache-2.0
// Jobs: whom a change concerns, one JobLook at each look, and the end of those whose time to live is over.
#include "cluster/controllers/all.h"
#include "cluster/controllers/claims.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/job_look.h"

namespace pila::cluster::controllers {

namespace {

class Jobs : public Controller {
public:
    explicit Jobs(const Means& means) : Controller(means, "job-controller"), pods_(means_.informers.of(pod_kind())) {
        follow(job_kind());
        follow_owned(means_.informers, means_.registry.state(), pod_kind(), job_kind(),
                     [this](const std::string& key) { enqueue(key); });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(job_kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) {
            forget(key);
            return free_pods(name, "");
        }
        auto job = TRY(std::move(got));
        auto manager = text_in(job, "spec.managedBy");
        if (!manager.empty() && manager != "kubernetes.io/job-controller") return {};
        if (is_going(job)) return free_pods(name, "");
        if (const auto* end = finished_condition(job)) {
            forget(key);
            TRY(free_pods(name, text_in(job, "metadata.uid")));
            return end_of_life(key, job, *end);
        }
        auto selector = selector_of(job);
        if (!selector || selector->empty()) return {};
        auto pods = TRY(claim(pods_, client_, job, job_kind(), *selector));
        auto failures = recall(key);
        JobLook look({client_, events_, failures, means_.now()}, std::move(job), std::move(pods));
        auto done = look.run();
        remember(key, failures);
        if (auto seconds = look.look_again_in(); done && seconds) enqueue_after(key, *seconds);
        return done;
    }

private:
    // Pods of a job that ended, or is gone, are nobody's to count: nothing holds them any more.
    Outcome<void> free_pods(const Name& name, std::string_view uid) {
        auto objects = uid.empty() ? TRY(client_.list(pod_kind(), name.space)) : pods_.by("controller", uid);
        for (const auto& object : objects) {
            if (object->bytes.find(job_finalizer) == std::string::npos) continue;
            auto pod = TRY(Client::read(*object));
            auto owner = controller_of(pod);
            if (owner && owner->kind == job_kind().name && owner->name == name.name)
                TRY(drop_job_finalizer(client_, pod));
        }
        return {};
    }

    Outcome<void> end_of_life(const std::string& key, const json::object& job, const json::object& end) {
        if (!value_in(job, "spec.ttlSecondsAfterFinished")) return {};
        auto until = time_in(end, "lastTransitionTime") + number_in(job, "spec.ttlSecondsAfterFinished") * 1'000'000;
        if (until <= means_.now()) return client_.remove(job_kind(), job, "Foreground");
        enqueue_after(key, (until - means_.now()) / 1'000'000 + 1);
        return {};
    }

    JobLook::Failures recall(const std::string& key) {
        Lock lock(mutex_);
        auto found = failures_.find(key);
        return found == failures_.end() ? JobLook::Failures() : found->second;
    }
    void remember(const std::string& key, const JobLook::Failures& failures) {
        Lock lock(mutex_);
        if (failures.in_a_row == 0)
            failures_.erase(key);
        else
            failures_[key] = failures;
    }
    void forget(const std::string& key) { remember(key, {}); }

    Informer& pods_;
    Mutex mutex_;
    std::map<std::string, JobLook::Failures> failures_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Controller> make_jobs(const Means& means) { return std::make_unique<Jobs>(means); }

}  // namespace pila::cluster::controllers
