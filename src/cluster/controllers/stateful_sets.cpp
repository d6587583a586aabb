// SPDX-License-Identifier: Apache-2.0
// StatefulSets: whom a change concerns, and one StatefulLook at each look.
#include "cluster/controllers/all.h"
#include "cluster/controllers/claims.h"
#include "cluster/controllers/fields.h"
#include "cluster/controllers/stateful_look.h"

namespace pila::cluster::controllers {

namespace {

constexpr std::string_view hash_label = "controller.kubernetes.io/hash";

class StatefulSets : public Controller {
public:
    explicit StatefulSets(const Means& means)
        : Controller(means, "statefulset-controller"),
          pods_(means_.informers.of(pod_kind())),
          revisions_(means_.informers.of(revision_kind())) {
        index_for_claims(revisions_);
        follow(stateful_set_kind());
        follow_owned(means_.informers, means_.registry.state(), pod_kind(), stateful_set_kind(),
                     [this](const std::string& key) { enqueue(key); });
    }

    Outcome<void> sync(const std::string& key) override {
        auto name = name_of(key);
        auto got = client_.get(stateful_set_kind(), name.space, name.name);
        if (!got && is_not_found(got.error())) return {};
        auto set = TRY(std::move(got));
        auto selector = selector_of(set);
        if (!selector || selector->empty()) return {};
        auto is_member = [&](const json::object& pod) {
            return ordinal_of(set, text_in(pod, "metadata.name")).has_value();
        };
        auto revisions = TRY(Revisions::of(revisions_, client_, set, stateful_set_kind(), *selector, hash_label));
        auto pods = TRY(claim(pods_, client_, set, stateful_set_kind(), *selector, is_member));
        StatefulLook look({client_, events_, revisions, means_.now()}, set, std::move(pods));
        auto done = look.run();
        if (auto seconds = look.look_again_in(); done && seconds) enqueue_after(key, *seconds);
        return done;
    }

private:
    Informer& pods_;
    Informer& revisions_;
};

}  // namespace

std::unique_ptr<Controller> make_stateful_sets(const Means& means) { return std::make_unique<StatefulSets>(means); }

}  // namespace pila::cluster::controllers
