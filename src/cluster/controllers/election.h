// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who runs the controllers: whoever holds the lease kube-system/kube-controller-manager, by the rules of
// k8s.io/client-go/tools/leaderelection, so that another program may do it in our place (Kubernetes' own
// kube-controller-manager, say). A lease that is kept by others is over when it has not changed for as long as it says,
// by our clock. Threads: one.

#include <chrono>
#include <functional>
#include <string>

#include "cluster/controllers/client.h"
#include "cluster/controllers/queue.h"
#include "cluster/controllers/recorder.h"

namespace pila::cluster::controllers {

const schema::Kind& lease_kind();

class Election {
public:
    using Time = Queue::Time;

    // Long terms: while we are gone, so is the API, and nobody else could take over; and each renewal is a write to
    // the disk of a machine that may have nothing else to do.
    static constexpr std::chrono::seconds term{60}, renews_after{20}, gives_up_after{40}, retries_after{2};

    // `identity`: the same after a restart, which goes on as if nothing had been. `clock` and `steady` as Controllers
    // has them.
    Election(api::Registry& registry, std::string identity, std::function<std::int64_t()> clock,
             std::function<Time()> steady);

    // Takes the lease if it is free, renews it when that is due, or sees who holds it. When to look again.
    Time look();
    // Until when we lead, unless the lease changes: in the past if we do not.
    Time leads_until() const { return leads_until_; }

private:
    bool is_held_by_another(const json::object& lease);
    void go_on(const json::object& lease);
    json::object renewed(json::object lease) const;
    Time failed(const api::Status& why);

    const std::string identity_;
    const std::function<std::int64_t()> clock_;
    const std::function<Time()> steady_;
    const Client client_;
    Recorder events_;
    Time leads_until_ = Time::min();
    Time renewed_at_ = Time::min();
    struct {
        std::string version, holder;
        Time since;
    } seen_;  // of a lease that another holds
    bool is_failing_ = false;
};

}  // namespace pila::cluster::controllers
