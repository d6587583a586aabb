// SPDX-License-Identifier: Apache-2.0
// DaemonSets: whom a change concerns, and one DaemonLook at each look.
#include <boost/json.hpp>

#include "cluster/api/metadata.h"
#include "cluster/controllers/all.h"
#include "cluster/controllers/claims.h"
#include "cluster/controllers/daemon_look.h"
#include "cluster/controllers/fields.h"

namespace pila::cluster::controllers {

namespace {

// What decides on pods; a node's heartbeat is none of it.
bool is_alike(const state::Object& left, const state::Object& right) {
    auto before = seen(left), now = seen(right);
    if (!before || !now) return false;
    for (auto path : {"metadata.labels", "spec.taints"}) {
        const auto* one = value_in(*before, path);
        const auto* other = value_in(*now, path);
        if ((one == nullptr) != (other == nullptr) || (one && *one != *other)) return false;
    }
    return true;
}

class DaemonSets : public Controller {
public:
    explicit DaemonSets(const Means& means)
        : Controller(means, "daemon-set-controller"),
          pods_(means_.informers.of(pod_kind())),
          revisions_(means_.informers.of(revision_kind())) {
        index_for_claims(revisions_);
        follow(daemon_set_kind());
        follow_owned(means_.informers, means_.registry.state(), pod_kind(), daemon_set_kind(),
                     [this](const std::string& key) { enqueue(key); });
        means_.informers.of(node_kind()).add_handler([this](const ObjectPointer& before, const ObjectPointer& now) {
            if (before && now && is_alike(*before, *now)) return;
            auto sets = means_.registry.state().list(api::prefix_of(daemon_set_kind(), ""), "", 0, 0);
            if (!sets) return;
            for (const auto& set : sets->objects) enqueue(name_key(daemon_set_kind(), *set));
        });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(daemon_set_kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) {
            Lock lock(mutex_);
            failures_.erase(key);
            return {};
        }
        auto set = TRY(std::move(got));
        auto selector = selector_of(set);
        if (!selector || selector->empty()) return {};
        std::vector<json::object> nodes;
        for (const auto& node : TRY(client_.list(node_kind(), ""))) nodes.push_back(TRY(Client::read(*node)));
        auto revisions = TRY(Revisions::of(revisions_, client_, set, daemon_set_kind(), *selector, revision_label));
        auto pods = TRY(claim(pods_, client_, set, daemon_set_kind(), *selector));
        auto failures = recall(key);
        DaemonLook look({client_, events_, revisions, failures, means_.now()}, set, std::move(pods), nodes);
        auto done = look.run();
        if (auto seconds = look.look_again_in(); done && seconds) enqueue_after(key, *seconds);
        Lock lock(mutex_);
        failures_[key] = std::move(failures);
        return done;
    }

private:
    DaemonLook::Failures recall(const std::string& key) {
        Lock lock(mutex_);
        return failures_[key];
    }

    Informer& pods_;
    Informer& revisions_;
    Mutex mutex_;
    std::map<std::string, DaemonLook::Failures> failures_ GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<Controller> make_daemon_sets(const Means& means) { return std::make_unique<DaemonSets>(means); }

}  // namespace pila::cluster::controllers
