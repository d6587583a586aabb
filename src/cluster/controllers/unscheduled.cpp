// SPDX-License-Identifier: Apache-2.0
// Where there is no node at all, nobody else tells people why their pods wait: a condition and an event, once for each
// pod, as kube-scheduler words them.
#include "cluster/api/metadata.h"
#include "cluster/codec/codec.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/pods.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::int64_t patience_seconds = 2;
// Whoever fills a cluster that has no node has been told by the first hundred.
constexpr std::int64_t period_seconds = 60;
constexpr int told_in_a_period = 100;
constexpr std::string_view why = "0/0 nodes are available: no nodes available to schedule pods";

bool waits_for_a_node(const json::object& pod) {
    if (is_going(pod) || !text_in(pod, "spec.nodeName").empty()) return false;
    const auto* gates = list_in(pod, "spec.schedulingGates");
    const auto* status = object_in(pod, "status");
    return text_in(pod, "status.phase") == "Pending" && text_in(pod, "spec.schedulerName") == "default-scheduler" &&
           (!gates || gates->empty()) && !(status && find_condition(*status, "PodScheduled"));
}

class Unscheduled : public Controller {
public:
    explicit Unscheduled(const Means& means) : Controller(means, "default-scheduler") {
        means_.informers.of(pod_kind()).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (now && !before) enqueue_after(name_key(pod_kind(), *now), patience_seconds);
        });
    }

    Outcome<void> sync(const std::string& key) override {
        auto nodes = TRY(means_.registry.state().list("core/nodes/", "", 1, 0));
        if (!nodes.objects.empty()) return {};
        auto name = name_of(key);
        auto got = client_.get(pod_kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) return {};
        auto pod = TRY(std::move(got));
        if (!waits_for_a_node(pod)) return {};
        if (!may_tell()) {
            enqueue_after(key, period_seconds);
            return {};
        }
        auto& conditions = make_object_in(pod, "status")["conditions"];
        if (!conditions.is_array()) conditions.emplace_array();
        conditions.get_array().push_back(
            json::object{{"type", "PodScheduled"},
                         {"status", "False"},
                         {"lastProbeTime", nullptr},
                         {"lastTransitionTime", codec::format_time(means_.now() / 1'000'000)},
                         {"reason", "Unschedulable"},
                         {"message", why}});
        TRY(client_.update_status(pod_kind(), pod));
        events_.warning(pod, "FailedScheduling", std::string(why));
        return {};
    }

private:
    bool may_tell() {
        Lock lock(mutex_);
        auto period = means_.now() / 1'000'000 / period_seconds;
        if (period != period_) told_ = 0;
        period_ = period;
        return told_++ < told_in_a_period;
    }

    Mutex mutex_;
    std::int64_t period_ GUARDED_BY(mutex_) = 0;
    int told_ GUARDED_BY(mutex_) = 0;
};

}  // namespace

std::unique_ptr<Controller> make_unscheduled(const Means& means) { return std::make_unique<Unscheduled>(means); }

}  // namespace pila::cluster::controllers
