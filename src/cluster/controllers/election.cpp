// SPDX-License-Identifier: Apache-2.0
#include "cluster/controllers/election.h"

#include <boost/json.hpp>

#include "base/log.h"
#include "cluster/codec/codec.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

constexpr const char *space = "kube-system", *name = "kube-controller-manager";

}  // namespace

const schema::Kind& lease_kind() {
    static const auto& kind = kind_of("coordination.k8s.io", "v1", "leases");
    return kind;
}

Election::Election(api::Registry& registry, std::string identity, std::function<std::int64_t()> clock,
                   std::function<Time()> steady)
    : identity_(std::move(identity)),
      clock_(std::move(clock)),
      steady_(std::move(steady)),
      client_(registry, "leader-election"),
      events_(client_, name) {}

bool Election::is_held_by_another(const json::object& lease) {
    const auto holder = text_in(lease, "spec.holderIdentity"), version = text_in(lease, "metadata.resourceVersion");
    if (holder.empty() || holder == identity_) return false;
    const auto now = steady_();
    if (version != seen_.version) {
        if (holder != seen_.holder) log::info("the controllers wait: {} runs them (lease {}/{})", holder, space, name);
        seen_ = {std::string(version), std::string(holder), now};
    }
    return now < seen_.since + std::chrono::seconds(number_in(lease, "spec.leaseDurationSeconds"));
}

// As it is to be stored: ours from now on.
json::object Election::renewed(json::object lease) const {
    const auto now = codec::format_micro_time(clock_());
    const bool is_there = !text_in(lease, "metadata.uid").empty();
    const bool is_new = text_in(lease, "spec.holderIdentity") != identity_;
    auto& spec = make_object_in(lease, "spec");
    const auto changes = number_in(spec, "leaseTransitions") + (is_there && is_new ? 1 : 0);
    if (is_new) spec["acquireTime"] = now;
    spec["holderIdentity"] = identity_;
    spec["leaseDurationSeconds"] = term.count();
    spec["leaseTransitions"] = changes;
    spec["renewTime"] = now;
    return lease;
}

// After a restart: as if there had been none. By the wall clock, which may have been set: then it is renewed.
void Election::go_on(const json::object& lease) {
    const auto age = std::chrono::microseconds(clock_() - time_in(lease, "spec.renewTime"));
    if (renewed_at_ != Time::min() || age < Time::duration::zero() || age >= renews_after) return;
    renewed_at_ = steady_() - age;
    leads_until_ = renewed_at_ + gives_up_after;
}

// What we hold, we hold until its time is over: nobody else can write what we cannot.
Election::Time Election::failed(const api::Status& why) {
    const bool is_race = is_conflict(why) || why.reason == "AlreadyExists";
    if (!is_race && !is_failing_) log::warning("renew the lease {}/{}: {}", space, name, why.message);
    is_failing_ = is_failing_ || !is_race;
    return steady_() + retries_after;
}

Election::Time Election::look() {
    auto found = client_.get(lease_kind(), space, name);
    if (!found && !is_not_found(found.error())) return failed(found.error());
    const auto now = steady_();
    if (found && is_held_by_another(*found)) {
        leads_until_ = renewed_at_ = Time::min();
        return now + retries_after;
    }
    const bool is_ours = found && text_in(*found, "spec.holderIdentity") == identity_;
    if (is_ours) go_on(*found);
    if (is_ours && now < renewed_at_ + renews_after) return renewed_at_ + renews_after;
    auto lease = found ? *found : json::object{{"metadata", {{"namespace", space}, {"name", name}}}};
    lease = renewed(std::move(lease));
    auto written =
        found ? client_.update(lease_kind(), std::move(lease)) : client_.create(lease_kind(), std::move(lease));
    if (!written) return failed(written.error());
    is_failing_ = false;
    seen_ = {};
    renewed_at_ = now;
    leads_until_ = now + gives_up_after;
    if (!is_ours) events_.normal(*written, "LeaderElection", identity_ + " became leader");
    return now + renews_after;
}

}  // namespace pila::cluster::controllers
